"""What the settings mean for the parts of a process, read off a process that runs."""

import asyncio
import threading
from queue import Queue

import pytest
from guarded_servers import a_token_file
from structlog.testing import capture_logs

from collector import app as app_module
from collector import process as process_module
from collector.api_only import ApiOnly
from collector.pipeline import heap
from collector.settings import Settings
from exporters.store import StoreUnavailable


@pytest.mark.parametrize(("sync", "expected"), [("full", 2), ("normal", 1), ("off", 1)])
async def test_the_store_is_as_safe_from_a_power_cut_as_the_journal(tmp_path, sync, expected):
    nowhere = {"listen": "127.0.0.1:0"}
    settings = {"api": nowhere, "metrics": nowhere, "data_dir": str(tmp_path), "journal": {"sync": sync}}
    async with ApiOnly(Settings.model_validate(settings)) as process:
        with process.store._database.write() as connection:
            level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    assert level == expected  # https://www.sqlite.org/pragma.html#pragma_synchronous


async def test_tokens_are_read_again_though_nobody_comes(tmp_path):
    nowhere = {"listen": "127.0.0.1:0"}
    tokens = a_token_file(tmp_path, "old")
    settings = {"api": {**nowhere, "token_file": str(tokens)}, "metrics": nowhere, "data_dir": str(tmp_path)}
    with capture_logs() as logs:
        async with ApiOnly(Settings.model_validate(settings)), asyncio.timeout(30):
            tokens.write_text("newer")
            while not any(line["event"] == "tokens were read again" for line in logs):  # noqa: ASYNC110 - of the process
                await asyncio.sleep(0.05)


async def test_work_on_the_store_that_failed_is_tried_again_soon_and_health_is_well_then(tmp_path, monkeypatch):
    monkeypatch.setattr(process_module, "AGAIN_S", 0.01)
    nowhere = {"listen": "127.0.0.1:0"}
    settings = Settings.model_validate({"api": nowhere, "metrics": nowhere, "data_dir": str(tmp_path)})
    failures = [StoreUnavailable("the store is locked by another process")]
    failed, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        if failures:
            failed.set()
            raise failures.pop()
        done.set()

    async with ApiOnly(settings) as process, asyncio.timeout(30):
        process._repeat(3600, "upkeep", work)
        await failed.wait()
        assert process.health().problems == ("the store is locked by another process; trying again",)
        await done.wait()
        assert process.health().problems == ()


async def test_once_a_burst_is_over_its_memory_is_given_back(tmp_path, monkeypatch):
    looks, given_back = Queue(), threading.Event()
    has_come = heap.Ebb.has_come
    monkeypatch.setattr(heap.Ebb, "has_come", lambda ebb, held, _worked_s: looks.put(held) or has_come(ebb, held, 0.0))
    monkeypatch.setattr(heap, "give_back", given_back.set)
    monkeypatch.setattr(app_module, "EBB_EVERY_S", 0.01)
    nowhere = {"listen": "127.0.0.1:0"}
    ports = {"otlp": {"grpc": nowhere, "http": nowhere}, "api": nowhere, "metrics": nowhere}
    settings = Settings.model_validate({**ports, "data_dir": str(tmp_path), "workers": 1, "checks": {}})
    async with app_module.Sidecar(settings) as sidecar:
        with sidecar.front.reserve(heap.EBB_FROM_BYTES):
            while await asyncio.to_thread(looks.get, timeout=30) < heap.EBB_FROM_BYTES:
                pass
            assert not given_back.is_set()
        assert await asyncio.to_thread(given_back.wait, 30)
