"""A reload: what may change at once does, the rest is named, and what is bad changes nothing."""

import asyncio
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from collector.change import Change, put_to_use
from collector.reloading import IN_PART, LIVE, CannotReload, Reloaded, Reloading, reload_router, with_live
from collector.settings import ConfigError, Problem, Settings, describe
from exporters.metrics.prometheus import Metrics
from exporters.review.answers import ApiError


class Config:
    """A configuration that changes, and what is done with it."""

    def __init__(self):
        self.now = Settings()
        self.error = None
        self.applied = []
        self.refuse = None
        self.metrics = Metrics(100)
        self.reload = Reloading(Settings(), self.load, self.apply, self.metrics)

    def load(self):
        if self.error is not None:
            raise self.error
        return self.now

    async def apply(self, settings):
        await asyncio.sleep(0)
        if self.refuse is not None:
            raise self.refuse
        self.applied.append(settings)

    def change(self, **sections):
        self.now = Settings.model_validate(sections)

    def counted(self):
        lines = self.metrics.render()[0].decode().splitlines()
        return {line for line in lines if line.startswith("sidecheck_config") and not line.endswith("build_info")}


@pytest.fixture
def config():
    return Config()


async def test_a_changed_check_is_put_to_use_by_its_name(config):
    config.change(checks={"latency": {"max_trace": "1s"}}, promotion={"per_day": 7})
    reloaded = await config.reload()
    assert set(reloaded.changed) == {
        "checks.latency", "checks.valid_json", "checks.citations", "checks.pii", "checks.user_feedback",
        "promotion.per_day",
    }  # fmt: skip
    assert reloaded.needs_restart == ()
    assert config.applied[0].checks == {"latency": {"max_trace": "1s"}}
    assert 'sidecheck_config_reloads_total{result="applied"} 1.0' in config.counted()


async def test_a_changed_price_is_put_to_use(config):
    config.change(prices={"mine": {"input": 1, "output": 2}})
    assert await config.reload() == Reloaded(("prices",))
    assert config.applied[0].prices == {"mine": {"input": 1.0, "output": 2.0}}


async def test_a_changed_budget_is_put_to_use(config):
    config.change(budgets={"shop": {"per_day": 25}})
    assert await config.reload() == Reloaded(("budgets",))
    assert config.applied[0].budgets == {"shop": {"per_day": 25.0}}


async def test_what_needs_a_restart_is_named_and_stays_as_it_was(config):
    config.change(data_dir="/elsewhere", workers=7, store={"retention": {"age": "1h"}, "url": "sqlite:////x.db"})
    reloaded = await config.reload()
    assert reloaded == Reloaded(("store.retention.age",), ("data_dir", "store.url", "workers"))
    (applied,) = config.applied
    assert (applied.data_dir, applied.workers, applied.store.url) == (Settings().data_dir, "auto", None)
    assert applied.store.retention.age == 3600 * 10**9
    assert (await config.reload()).needs_restart == ("data_dir", "store.url", "workers")


async def test_nothing_new_does_nothing(config):
    assert await config.reload() == Reloaded()
    assert config.applied == []
    assert 'sidecheck_config_reloads_total{result="unchanged"} 1.0' in config.counted()


async def test_a_bad_configuration_is_refused_and_the_next_good_one_is_taken(config):
    assert "sidecheck_config_last_reload_success 1.0" in config.counted()
    config.error = ConfigError(Problem("checks.latency.max_trace", "must be a duration"))
    with pytest.raises(ConfigError):
        await config.reload()
    assert "sidecheck_config_last_reload_success 0.0" in config.counted()
    assert 'sidecheck_config_reloads_total{result="refused"} 1.0' in config.counted()
    config.error = None
    config.change(promotion={"per_day": 7})
    await config.reload()
    assert "sidecheck_config_last_reload_success 1.0" in config.counted()


async def test_what_cannot_be_put_to_use_is_tried_again_the_next_time(config):
    config.change(promotion={"per_day": 7})
    config.refuse = CannotReload("workers do not start")
    with pytest.raises(CannotReload):
        await config.reload()
    config.refuse = None
    assert (await config.reload()).changed == ("promotion.per_day",)


async def test_what_breaks_unforeseen_is_refused_too_and_the_metrics_say_so(config):
    config.change(promotion={"per_day": 7})
    config.refuse = ImportError("no such library")
    with pytest.raises(CannotReload, match="ImportError"):
        await config.reload()
    assert 'sidecheck_config_reloads_total{result="refused"} 1.0' in config.counted()
    assert "sidecheck_config_last_reload_success 0.0" in config.counted()


async def test_reloads_do_not_overlap(config):
    config.change(promotion={"per_day": 7})
    first, second = await asyncio.gather(config.reload(), config.reload())
    assert (first.changed, second.changed) == (("promotion.per_day",), ())


def test_only_what_may_change_is_taken_over():
    sections = {
        "assembly": {"settle": "1s"},
        "journal": {"sync": "full"},
        "api": {"listen": "127.0.0.1:1", "public_url": "https://here"},
        "forward": [{"endpoint": "http://tempo:4318"}],
        "results": {"otlp": {"endpoint": "http://tempo:4318"}},
        "metrics": {"listen": "127.0.0.1:2", "max_series": 7},
    }
    new = Settings.model_validate(sections)
    effective = with_live(Settings(), new)
    assert (effective.assembly.settle, effective.journal.sync) == (10**9, "normal")
    assert (effective.api.listen, effective.api.public_url) == (Settings().api.listen, "https://here")
    assert (effective.metrics.listen, effective.metrics.max_series) == (Settings().metrics.listen, 7)
    assert (effective.forward, effective.results) == (new.forward, new.results)


async def test_a_backend_of_results_that_comes_changes_and_goes_is_one_key(config):
    for otlp in ({"endpoint": "http://a:1"}, {"endpoint": "http://a:1", "headers": {"a": "b"}}, None):
        config.change(results={"otlp": otlp})
        assert await config.reload() == Reloaded(("results.otlp",))


async def test_its_own_telemetry_waits_for_a_restart(config):
    config.change(telemetry={"otlp": {"endpoint": "http://a:1"}, "sample": 1})
    assert await config.reload() == Reloaded((), ("telemetry.sample", "telemetry.otlp"))
    assert config.applied == []


async def test_what_a_running_server_cannot_be_told_is_named_until_it_is_as_at_the_start(config):
    config.change(limits={"request": "1MiB", "spans_per_request": 5})
    assert await config.reload() == Reloaded(("limits.request", "limits.spans_per_request"), ("limits.request",))
    assert await config.reload() == Reloaded((), ("limits.request",))
    config.change()
    assert await config.reload() == Reloaded(("limits.request", "limits.spans_per_request"))


def test_what_takes_effect_in_part_is_among_what_takes_effect():
    assert all(key.partition(".")[0] in LIVE for key in IN_PART)
    assert {option.key for option in describe()} >= set(IN_PART)


async def test_what_may_still_surprise_is_said(config):
    config.change(limits={"request": "2GiB"})
    with capture_logs() as logs:
        await config.reload()
    (said,) = [line["problem"] for line in logs if "surprise" in line["event"]]
    assert said.startswith("limits.request is 2GiB, more than limits.memory")


class Part:
    """A part that notes what becomes of it."""

    def __init__(self, name, notes, error=None):
        self.name, self.notes, self.error = name, notes, error

    async def __call__(self, _settings):
        self.notes.append(f"{self.name} ready")
        if self.error is not None:
            raise self.error
        return Change(lambda: self.notes.append(f"{self.name} in use"), self.discard)

    async def discard(self):
        self.notes.append(f"{self.name} let go")


async def test_all_is_made_ready_before_any_is_put_to_use():
    notes = []
    await put_to_use(Settings(), [Part("a", notes), Part("b", notes)])
    assert notes == ["a ready", "b ready", "a in use", "b in use"]


async def test_where_one_cannot_be_made_ready_the_others_are_let_go():
    notes = []
    with pytest.raises(ConfigError):
        await put_to_use(
            Settings(), [Part("a", notes), Part("b", notes), Part("c", notes, ConfigError(Problem("c", "bad")))]
        )
    assert notes == ["a ready", "b ready", "c ready", "b let go", "a let go"]


def test_the_api_says_what_changed_or_why_not(config):
    app = FastAPI()
    app.include_router(reload_router(config.reload))
    client = TestClient(app)
    config.change(promotion={"per_day": 7}, workers=3)
    assert client.post("/api/reload").json() == {"changed": ["promotion.per_day"], "needsRestart": ["workers"]}
    config.error = ConfigError(Problem("workers", "must be auto"))
    with pytest.raises(ApiError, match="workers: must be auto") as raised:
        client.post("/api/reload")
    assert (raised.value.status, raised.value.code) == (422, "configuration_refused")


async def test_prices_are_taken_over_as_well(config):
    config.change(prices={"own-model": {"input": 1, "output": 2}})
    assert (await config.reload()).changed == ("prices",)
    assert config.applied[0].prices == config.now.prices


def documented_reload():
    """The section on reloads, and the rows of its two tables."""
    text = (Path(__file__).parents[2] / "collector" / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Reload\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return rows[0], rows[1:]


def keys_in(text):
    return set(re.findall(r"`([a-z_.]+)`", text))


def test_the_documentation_says_what_takes_effect_at_once_and_what_does_not():
    (at_once, restart), parts = documented_reload()
    assert keys_in(at_once) == set(LIVE)
    assert [keys_in(row[0]) for row in parts] == [{key} for key in IN_PART]
    sections = {name.partition(".")[0] for name in keys_in(restart)}
    assert set(Settings.model_fields) - {key.partition(".")[0] for key in LIVE} <= sections | {"otlp"}
