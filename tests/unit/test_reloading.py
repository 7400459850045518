"""A reload: what may change at once does, the rest is named, and what is bad changes nothing."""

import asyncio

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from collector.reloading import CannotReload, Reloaded, Reloading, reload_router, with_live
from collector.settings import ConfigError, Problem, Settings
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


async def test_reloads_do_not_overlap(config):
    config.change(promotion={"per_day": 7})
    first, second = await asyncio.gather(config.reload(), config.reload())
    assert (first.changed, second.changed) == (("promotion.per_day",), ())


def test_only_what_may_change_is_taken_over():
    new = Settings.model_validate({"assembly": {"settle": "1s"}, "journal": {"sync": "full"}})
    effective = with_live(Settings(), new)
    assert (effective.assembly.settle, effective.journal.sync) == (10**9, "normal")


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
