"""The journal cut at every byte of its last record, and with every bit of it flipped: never fatal, never silent.

Works on copies of a journal as a kill leaves it: some rows in the file, some in the log beside it.
"""

import pytest
from faults.kit.scale import is_long
from journals import LOG, a_killed_journal, contents, copy_of, flipped, insert, payload, spread

from collector.pipeline.journal_file import connect
from collector.pipeline.journal_recovery import recover
from collector.pipeline.journal_wal import PAGE_BYTES

ROWS, IN_FILE = 8, 5
CUT, FLIPPED = "journal cut within its last record", "bit flipped in the journal"


@pytest.fixture
def killed(tmp_path):
    """A journal that a kill left."""
    return a_killed_journal(tmp_path / "killed", rows=ROWS, in_file=IN_FILE)


def opened_again(path, damage, table, fault):
    """Open a damaged journal and hold it to its promise; give what it says of the damage."""
    found = recover(path)
    kept = contents(path)
    told = found.lost + found.unfinished > 0 or found.moved_to is not None
    table.add_file(fault, ROWS, 0 if told else ROWS - len(kept))
    assert all(content == payload(number) for number, content in kept.items()), damage
    assert len(kept) == ROWS or told, f"{damage}: {ROWS - len(kept)} rows are gone without a word"
    assert found.entries == len(kept), damage
    connection = connect(path)
    insert(connection, ROWS + 1)
    connection.close()
    assert len(contents(path)) == len(kept) + 1, f"{damage}: the journal takes no more rows"
    return found, kept


@pytest.mark.timeout(900)
def test_a_log_cut_at_any_byte_of_its_last_record_loses_that_record_only(killed, tmp_path, table):
    log = killed.with_name(LOG).read_bytes()
    record = 2 * (24 + PAGE_BYTES)  # the row's page and that of its number
    # Cut before its first byte, nothing would tell that there was one.
    for cut in (1 + each for each in spread(record - 1, record if is_long() else 100)):
        path = copy_of(killed, tmp_path / f"cut-{cut}")
        path.with_name(LOG).write_bytes(log[: len(log) - record + cut])
        found, kept = opened_again(path, f"cut at byte {cut} of the last record", table, CUT)
        assert sorted(kept) == [*range(1, ROWS)]
        assert (found.unfinished, found.lost) == (1 + (cut > 24 + PAGE_BYTES), 0)


@pytest.mark.timeout(3600)
def test_a_bit_that_flips_anywhere_in_the_file_costs_no_row_silently(killed, tmp_path, table):
    for where, data in (("file", killed.read_bytes()), ("log", killed.with_name(LOG).read_bytes())):
        # Most of a page is free space; what matters most stands at the front and at the back of it.
        for at in range(len(data)) if is_long() else spread(len(data), 150):
            path = copy_of(killed, tmp_path / f"{where}-{at}")
            damaged = path if where == "file" else path.with_name(LOG)
            damaged.write_bytes(flipped(data, at, at % 8))
            opened_again(path, f"bit {at % 8} of byte {at} of the {where}", table, FLIPPED)


@pytest.mark.timeout(900)
def test_a_bit_that_flips_in_the_first_bytes_of_a_page_costs_no_row_silently(killed, tmp_path, table):
    data = killed.read_bytes()
    for page in range(0, len(data), PAGE_BYTES):
        for at in range(page, page + (100 if is_long() else 24)):
            path = copy_of(killed, tmp_path / f"front-{at}")
            path.write_bytes(flipped(data, at, at % 8))
            opened_again(path, f"bit {at % 8} of byte {at} of the file", table, FLIPPED)
