"""What a journal's file is worth after a crash or on a damaged disk."""

import sqlite3
from contextlib import closing

import pytest
from journals import LOG, a_killed_journal, contents, copy_of, flipped, insert, locked, numbers_in, payload

from collector.pipeline.journal_file import JournalError, connect
from collector.pipeline.journal_recovery import Recovery, recover
from collector.pipeline.journal_wal import EARLIER_BYTES, PAGE_BYTES, Frames, frames_of


def test_a_journal_that_is_not_there_is_made_with_its_folder(tmp_path):
    path = tmp_path / "new" / "folder" / "journal.db"
    assert recover(path) == Recovery()
    assert contents(path) == {}


def test_every_row_that_a_kill_left_in_the_log_is_found(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=5)
    assert recover(path) == Recovery(entries=5, last=5)
    assert contents(path) == {number: payload(number) for number in range(1, 6)}


def test_a_commit_that_a_kill_cut_short_is_dropped_and_is_no_loss(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=3)
    log = path.with_name(LOG)
    log.write_bytes(log.read_bytes()[:-1])
    assert recover(path) == Recovery(entries=2, last=2, unfinished=2)  # pages: of the row and of its number


def test_a_log_damaged_before_its_end_counts_what_was_cut_as_lost(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=4, in_file=1)
    log = path.with_name(LOG)
    frames = frames_of(log)
    log.write_bytes(flipped(log.read_bytes(), 32 + 24 + 100, 3))  # in the first frame's page
    assert recover(path) == Recovery(entries=1, last=1, lost=frames.committed)


def test_a_log_whose_header_is_damaged_counts_all_of_it_as_lost(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=3, in_file=1)
    log = path.with_name(LOG)
    frames = frames_of(log)
    log.write_bytes(flipped(log.read_bytes(), 9, 4))  # in the page size
    assert recover(path).lost == frames.committed


def test_frames_of_an_earlier_round_of_the_log_are_no_loss(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=0)
    with closing(connect(path)) as connection:
        for number in range(1, 6):
            insert(connection, number)
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        insert(connection, 6)  # over the first frame; the others stay as they were
        copied = copy_of(path, tmp_path / "copy")
    assert frames_of(copied.with_name(LOG)).total < 5
    assert recover(copied) == Recovery(entries=6, last=6)


@pytest.fixture
def earlier(tmp_path):
    """A journal that an earlier version made, with one row that was forgotten and one that was not, in its log."""
    path = tmp_path / "earlier" / "journal.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA page_size = {EARLIER_BYTES}")
        made.execute("VACUUM")
    with closing(connect(path)) as connection:
        insert(connection, 1)
        connection.execute("DELETE FROM entries")
        insert(connection, 2)
        yield copy_of(path, tmp_path / "killed")


def page_bytes(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA page_size").fetchone()[0]


def test_the_log_of_an_earlier_version_is_counted_by_its_own_pages(earlier):
    log = earlier.with_name(LOG)
    assert frames_of(log).total == (log.stat().st_size - 32) // (24 + EARLIER_BYTES) > 3
    log.write_bytes(log.read_bytes()[:-1])
    assert recover(earlier).unfinished > 0


def test_a_journal_of_an_earlier_version_keeps_its_pages_while_there_is_something_in_it(earlier):
    assert recover(earlier) == Recovery(entries=1, last=2)
    assert (page_bytes(earlier), numbers_in(earlier)) == (EARLIER_BYTES, [2])


def test_an_empty_journal_of_an_earlier_version_gets_new_pages_and_gives_no_position_a_second_time(earlier):
    with closing(connect(earlier)) as connection:
        connection.execute("DELETE FROM entries")
    assert recover(earlier) == Recovery()
    with closing(connect(earlier)) as connection:
        insert(connection, 3)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (page_bytes(earlier), numbers_in(earlier)) == (PAGE_BYTES, [3])


def test_an_empty_journal_of_an_earlier_version_that_somebody_reads_stays_as_it_is(earlier):
    with closing(connect(earlier)) as connection:
        connection.execute("DELETE FROM entries")
        assert recover(earlier) == Recovery()
    assert page_bytes(earlier) == EARLIER_BYTES


def test_no_log_has_no_frames(tmp_path):
    assert frames_of(tmp_path / "nothing") == Frames()


def test_a_row_whose_bytes_do_not_match_its_checksum_is_removed_and_counted(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=3, in_file=3)
    path.write_bytes(path.read_bytes().replace(b"row 000002", b"row 000009", 1))
    assert recover(path) == Recovery(entries=2, last=3, lost=1)
    assert numbers_in(path) == [1, 3]


def test_a_source_that_is_no_longer_text_costs_its_row_only(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=3, in_file=3)
    path.write_bytes(path.read_bytes().replace(b"otlp_http", b"otlp_\xff\xfe\xfd\xfc", 1))
    found = recover(path)
    assert (found.entries, found.lost, found.moved_to) == (2, 1, None)


def test_a_file_that_is_no_database_is_put_aside_whole_and_a_new_one_takes_its_place(tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(b"no database at all, " * 500)
    found = recover(path)
    assert (found.entries, found.lost) == (0, 1)
    assert found.moved_to.read_bytes() == b"no database at all, " * 500
    assert contents(path) == {}


def test_rows_on_both_sides_of_an_unreadable_place_are_salvaged(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=60, in_file=60, size=4000)
    data = path.read_bytes()
    middle = data.index(b"row 000030") // PAGE_BYTES * PAGE_BYTES
    path.write_bytes(data[:middle] + b"\xff" * PAGE_BYTES + data[middle + PAGE_BYTES :])
    found = recover(path)
    kept = numbers_in(path)
    assert found.moved_to is not None
    assert found.lost >= 1
    assert {1, 2, 3, 58, 59, 60} < set(kept)
    assert 30 not in kept
    assert len(kept) >= 52


def test_rows_between_two_unreadable_places_are_salvaged(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=60, in_file=60, size=4000)
    data = bytearray(path.read_bytes())
    for row in (b"row 000015", b"row 000045"):
        page = data.index(row) // PAGE_BYTES * PAGE_BYTES
        data[page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(data)
    recover(path)
    assert {1, 25, 30, 35, 60} < set(numbers_in(path))


def test_a_salvaged_journal_gives_no_position_a_second_time(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=20, in_file=20, size=4000)
    data = path.read_bytes()
    first = data.index(b"row 000001") // PAGE_BYTES * PAGE_BYTES
    path.write_bytes(data[:first] + b"\xff" * PAGE_BYTES + data[first + PAGE_BYTES :])
    recover(path)
    with closing(connect(path)) as connection:
        insert(connection, 21)
    assert max(numbers_in(path)) == 21


def test_a_salvage_that_a_kill_cut_short_is_begun_anew(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=20, in_file=20, size=4000)
    data = path.read_bytes()
    first = data.index(b"row 000001") // PAGE_BYTES * PAGE_BYTES
    path.write_bytes(data[:first] + b"\xff" * PAGE_BYTES + data[first + PAGE_BYTES :])
    (path.parent / "journal.db.salvaged.part").write_bytes(b"half a file")
    assert recover(path).moved_to is not None
    assert 20 in numbers_in(path)
    assert [file.name for file in path.parent.glob("*salvaged*")] == []


def test_a_kill_between_salvage_and_exchange_loses_nothing_that_was_salvaged(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=3, in_file=3)
    path.rename(path.with_name("journal.db.salvaged"))
    path.write_bytes(b"no database at all, " * 500)
    found = recover(path)
    assert (found.entries, found.lost) == (3, 0)
    assert found.moved_to.read_bytes() == b"no database at all, " * 500
    assert numbers_in(path) == [1, 2, 3]


def test_a_kill_in_the_middle_of_the_exchange_leaves_no_foreign_log_beside_the_salvaged_file(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=3, in_file=3)
    other = a_killed_journal(tmp_path / "other", rows=9, in_file=1)
    path.rename(path.with_name("journal.db.salvaged"))
    other.with_name(LOG).rename(path.with_name(LOG))
    found = recover(path)
    assert found.entries == 3
    assert numbers_in(path) == [1, 2, 3]


def test_a_table_that_lost_its_name_is_noticed(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=2, in_file=2)
    path.write_bytes(path.read_bytes().replace(b"entries", b"entriez"))
    assert recover(path).moved_to is not None


def test_a_table_whose_name_is_no_longer_text_is_noticed(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=2, in_file=2)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE entries", b"CREATE TABLE (\xdftries"))
    assert recover(path).moved_to is not None


def test_a_file_that_another_process_holds_is_an_error_and_is_left_alone(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=2, in_file=2)
    path.write_bytes(path.read_bytes().replace(b"row 000002", b"row 000009", 1))  # so that there is something to write
    with locked(path), pytest.raises(JournalError, match=r"journal\.db: database is locked"):
        recover(path)
    assert numbers_in(path) == [1, 2]


def test_a_place_that_cannot_be_a_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(JournalError, match=r"journal\.db: .*look at the disk"):
        recover(tmp_path / "journal.db")


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalError, match=r"journal\.db: File exists|journal\.db: Not a directory"):
        recover(tmp_path / "file" / "journal.db")


def test_full_sync_waits_for_the_disk_at_every_commit_and_normal_does_not(tmp_path):
    for full, expected in ((True, 2), (False, 1)):  # https://www.sqlite.org/pragma.html#pragma_synchronous
        with closing(connect(tmp_path / "journal.db", full_sync=full)) as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (expected,)
