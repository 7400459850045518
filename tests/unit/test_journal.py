"""The journal: on the disk before it is acknowledged, gone when its traces are stored."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from journals import LOG, a_killed_journal, insert, locked, numbers_in
from pipeline_fakes import a_batch, a_piece
from servers import eventually

from collector.intake import Batch, Refusal, Refused, Source
from collector.pipeline.journal import FILE_NAME, Entry, Journal, Sync
from collector.pipeline.journal_file import connect
from collector.pipeline.journal_wal import PAGE_BYTES, frames_of

MIB = 1 << 20
RETRY_WITHIN_S = 30


@pytest.fixture
def journal(tmp_path):
    """An empty open journal."""
    opened = Journal(tmp_path)
    yield opened
    opened.close()


def replayed(journal):
    """All entries that the last run left."""
    return [entry for page in journal.replay() for entry in page]


async def no_longer(problem):
    """Wait until the journal has mended itself, though nobody sends."""
    async with asyncio.timeout(RETRY_WITHIN_S):
        while problem():  # noqa: ASYNC110 - the journal's thread tells nobody
            await asyncio.sleep(0.02)


async def test_an_appended_request_is_committed_when_append_returns(journal, tmp_path):
    piece = a_piece(1)
    position = await journal.append(a_batch(piece))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        assert other.execute("SELECT position, source, traces, logs FROM entries").fetchall() == [
            (position, "otlp_http", piece.spans, b"")
        ]


async def test_a_request_that_can_be_kept_as_it_came_is(journal, tmp_path):
    piece = a_piece(1)
    await journal.append(Batch(Source.OTLP_HTTP, (piece,), traces=piece.spans + b"\x12\x00"))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        assert other.execute("SELECT traces FROM entries").fetchall() == [(piece.spans + b"\x12\x00",)]


async def test_the_pieces_of_a_request_share_one_row(journal, tmp_path):
    await journal.append(a_batch(a_piece(1), a_piece(2), a_piece(3, logs=1)))
    assert numbers_in(tmp_path / FILE_NAME) == [1]


async def test_the_next_run_replays_what_was_not_forgotten_oldest_first(tmp_path):
    first = Journal(tmp_path)
    pieces = [a_piece(number) for number in (1, 2, 3)]
    positions = [await first.append(a_batch(piece)) for piece in pieces]
    first.forget([positions[1]])
    first.close()
    second = Journal(tmp_path)
    try:
        assert second.recovery.entries == 2
        assert replayed(second) == [
            Entry(positions[0], Source.OTLP_HTTP, pieces[0].spans, b""),
            Entry(positions[2], Source.OTLP_HTTP, pieces[2].spans, b""),
        ]
    finally:
        second.close()


async def test_a_replay_leaves_out_what_came_since_the_start(tmp_path):
    a_killed_journal(tmp_path / "killed", rows=2)
    journal = Journal(tmp_path / "killed")
    try:
        await journal.append(a_batch())
        assert [entry.position for entry in replayed(journal)] == [1, 2]
    finally:
        journal.close()


def test_a_replay_goes_on_after_a_page_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("collector.pipeline.journal_file.PAGE_ROWS", 2)
    a_killed_journal(tmp_path / "killed", rows=5)
    journal = Journal(tmp_path / "killed")
    try:
        assert [[entry.position for entry in page] for page in journal.replay()] == [[1, 2], [3, 4], [5]]
    finally:
        journal.close()


def test_a_page_of_large_requests_is_short(tmp_path, monkeypatch):
    monkeypatch.setattr("collector.pipeline.journal_file.PAGE_SIZE", 1000)
    a_killed_journal(tmp_path / "killed", rows=3, size=900)
    journal = Journal(tmp_path / "killed")
    try:
        assert [len(page) for page in journal.replay()] == [2, 1]
    finally:
        journal.close()


async def test_requests_that_wait_at_the_same_time_share_a_commit(journal, tmp_path):
    await journal.append(a_batch(a_piece(1)))
    before = commits(tmp_path)
    with locked(tmp_path / FILE_NAME):
        appends = [asyncio.ensure_future(journal.append(a_batch(a_piece(number)))) for number in range(2, 42)]
        await asyncio.sleep(0)  # the first is in the thread's hands and waits for the lock, the others queue up
    assert len(set(await asyncio.gather(*appends))) == 40
    assert commits(tmp_path) - before <= 2


async def test_a_locked_file_refuses_for_now_and_keeps_nothing(journal, tmp_path):
    with locked(tmp_path / FILE_NAME), pytest.raises(Refused, match="database is locked; send again") as refused:
        await journal.append(a_batch())
    assert refused.value.reason is Refusal.STORAGE
    assert refused.value.is_retryable
    assert refused.value.retry_after_s > 0
    assert numbers_in(tmp_path / FILE_NAME) == []


async def test_the_problem_is_told_while_it_lasts_and_is_over_though_nobody_sends(journal, tmp_path):
    with locked(tmp_path / FILE_NAME):
        with pytest.raises(Refused):
            await journal.append(a_batch())
        assert journal.problem == "the journal cannot be written: database is locked"
    await no_longer(lambda: journal.problem)
    assert await journal.append(a_batch()) == 1


async def test_rows_that_could_not_be_removed_are_removed_later(journal, tmp_path):
    position = await journal.append(a_batch())
    with locked(tmp_path / FILE_NAME):
        journal.forget([position])
        with pytest.raises(Refused):
            await journal.append(a_batch())
    await no_longer(lambda: journal.problem or numbers_in(tmp_path / FILE_NAME))


async def test_a_bug_in_writing_refuses_for_now_and_the_journal_lives_on(journal):
    broken = Batch(SimpleNamespace(value=3), (a_piece(1),))
    with pytest.raises(Refused, match="cannot be written: AttributeError; send again") as refused:
        await journal.append(broken)
    assert refused.value.reason is Refusal.STORAGE
    assert await journal.append(a_batch()) == 1


async def test_bytes_on_their_way_to_the_disk_are_counted_until_they_are_there(journal, tmp_path):
    piece = a_piece(1)
    with locked(tmp_path / FILE_NAME):
        append = asyncio.ensure_future(journal.append(a_batch(piece)))
        await asyncio.sleep(0)
        assert journal.waiting_bytes == piece.size
    await append
    assert journal.waiting_bytes == 0


async def test_a_sender_that_hangs_up_does_not_stop_the_others(journal):
    gone = asyncio.ensure_future(journal.append(a_batch(a_piece(1))))
    await asyncio.sleep(0)
    gone.cancel()
    assert await journal.append(a_batch(a_piece(2))) == 2
    assert journal.waiting_bytes == 0


async def test_the_file_does_not_grow_while_as_much_is_forgotten_as_comes(journal, tmp_path):
    sizes = []
    for number in range(12):
        piece = a_piece(number, name="x" * 200_000)
        positions = await asyncio.gather(*(journal.append(a_batch(piece)) for _ in range(20)))
        journal.forget(positions)
        await journal.append(a_batch(a_piece(number)))  # one after the other: the rows are gone when this returns
        sizes.append(journal.size())
    assert max(sizes[6:]) < 1.1 * max(sizes[:6])
    assert len(numbers_in(tmp_path / FILE_NAME)) == 12


async def test_the_log_is_cut_after_a_burst(tmp_path, monkeypatch):
    monkeypatch.setattr("collector.pipeline.journal_file.KEPT_WAL_BYTES", 400_000)
    journal = Journal(tmp_path)
    try:
        burst = [journal.append(a_batch(a_piece(number, name="x" * 1_000_000))) for number in range(24)]
        await asyncio.gather(*burst)
        for number in range(3):
            await journal.append(a_batch(a_piece(number)))
        assert (tmp_path / LOG).stat().st_size <= 400_000
    finally:
        journal.close()


async def test_closing_writes_what_is_queued(tmp_path):
    journal = Journal(tmp_path)
    position = await journal.append(a_batch())
    append = asyncio.ensure_future(journal.append(a_batch(a_piece(2))))
    await asyncio.sleep(0)
    journal.forget([position])
    await asyncio.to_thread(journal.close)
    assert await append == 2
    assert numbers_in(tmp_path / FILE_NAME) == [2]


async def test_a_replay_waits_for_a_file_that_cannot_be_read_now(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=1)
    journal = Journal(path.parent)
    try:
        aside = path.rename(path.with_name("aside"))
        path.mkdir()  # as good as any other reason why a file cannot be opened
        reading = asyncio.ensure_future(asyncio.to_thread(replayed, journal))
        assert (await asyncio.wait({reading}, timeout=0.1))[0] == set()
        path.rmdir()
        aside.rename(path)
        assert [entry.position for entry in await reading] == [1]
    finally:
        journal.close()


async def test_a_replay_that_waits_ends_with_the_journal(tmp_path):
    path = a_killed_journal(tmp_path / "killed", rows=1)
    journal = Journal(path.parent)
    path.unlink()
    path.mkdir()
    reading = asyncio.ensure_future(asyncio.to_thread(replayed, journal))
    await asyncio.wait({reading}, timeout=0.1)
    await asyncio.to_thread(journal.close)
    with pytest.raises(sqlite3.OperationalError):
        await reading


async def test_a_file_that_a_burst_left_nearly_empty_gives_its_room_back_and_keeps_what_waits(journal, tmp_path):
    large = replace(a_piece(1), spans=bytes(MIB))
    burst = [await journal.append(a_batch(large)) for _ in range(40)]
    kept = [await journal.append(a_batch(a_piece(number))) for number in (2, 3)]
    file = tmp_path / FILE_NAME
    assert file.stat().st_size > 8 * MIB
    journal.forget(burst)
    assert eventually(lambda: file.stat().st_size < MIB, True)
    assert numbers_in(file) == kept
    assert await journal.append(a_batch()) == kept[-1] + 1


async def test_full_sync_and_normal_keep_the_same(tmp_path):
    for sync in (Sync.FULL, Sync.NORMAL):
        journal = Journal(tmp_path / sync.value, sync)
        assert await journal.append(a_batch()) == 1
        journal.close()
        assert numbers_in(tmp_path / sync.value / FILE_NAME) == [1]


def test_damage_is_reported_without_what_was_in_it(tmp_path, capsys):
    path = a_killed_journal(tmp_path / "killed", rows=3, in_file=3)
    path.write_bytes(path.read_bytes().replace(b"row 000002", b"row 000009", 1))
    journal = Journal(path.parent)
    journal.close()
    told = capsys.readouterr().out
    assert journal.recovery.lost == 1
    assert "the journal was damaged" in told
    assert "row 0000" not in told


def commits(folder):
    """How many transactions the log holds."""
    log = (folder / LOG).read_bytes()
    frames = (log[at : at + 24] for at in range(32, len(log), 24 + PAGE_BYTES))
    return sum(frame[4:8] != b"\0\0\0\0" for frame in frames)


def test_commits_are_counted_right(tmp_path):
    with closing(connect(tmp_path / FILE_NAME)) as connection:
        before = commits(tmp_path)
        insert(connection, 1)
        insert(connection, 2)
        assert commits(tmp_path) - before == 2
        assert frames_of(tmp_path / LOG).committed > 0
