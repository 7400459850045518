"""Webhooks: what is worth telling, in which words, signed, tried again, and never in anybody's way."""

import asyncio
import base64
import hmac
import json
import logging

import pytest
from otlp_backends import http_backend
from store_builders import a_record, a_verdict

from checks.report import Outcome
from collector.notifying import Notifying
from collector.settings import ConfigError, Settings, as_yaml, load
from exporters.metrics.prometheus import Metrics
from exporters.notify.event import EXAMPLES, Event, Kind, Template, TemplateProblem
from exporters.notify.watch import MOST_SERVICES, Threshold, Watch
from exporters.notify.webhook import MOST_WAITING, TRIES, Counts, Webhook, key_of
from exporters.packed import pack

MINUTE = 60 * 10**9
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
NOW_S = 1_700_000_000
RATE = Threshold("citations", below=0.9, over_ns=10 * MINUTE, at_least=10)


def judged(passed, failed, service="shop", check="citations", **parts):
    outcomes = [Outcome.PASSED] * passed + [Outcome.FAILED] * failed
    records = (
        a_record(n, service=service, verdicts=(a_verdict(check, o),), **parts) for n, o in enumerate(outcomes, 1)
    )
    return [pack(record) for record in records]


def test_new_kinds_of_failure_are_one_event_a_service():
    watch = Watch()
    watch.saw((), {"shop": 2, "bank": 1}, 0)
    watch.saw((), {"shop": 1}, 0)
    assert watch.events(0) == [Event(Kind.NEW_CLUSTER, "shop", 3), Event(Kind.NEW_CLUSTER, "bank", 1)]
    assert watch.events(0) == []


def test_a_rate_that_falls_is_told_of_once_and_again_after_it_was_well():
    watch = Watch([RATE])
    watch.saw(judged(passed=8, failed=2), {}, 0)
    (event,) = watch.events(0)
    assert event == Event(Kind.THRESHOLD, "shop", 10, "citations", 0.8, 0.9, 10.0)
    assert event.text == "shop: citations passed 80% of 10 traces in 10 minutes, which is below 90%"
    assert watch.events(MINUTE) == []
    watch.saw(judged(passed=50, failed=0), {}, 2 * MINUTE)
    assert watch.events(2 * MINUTE) == []
    watch.saw(judged(passed=0, failed=50), {}, 3 * MINUTE)
    assert len(watch.events(3 * MINUTE)) == 1


def test_what_is_older_than_the_window_counts_no_more():
    watch = Watch([RATE])
    watch.saw(judged(passed=0, failed=50), {}, 0)
    watch.saw(judged(passed=10, failed=0), {}, 11 * MINUTE)
    assert watch.events(11 * MINUTE) == []


def test_few_results_other_checks_and_verdicts_that_changed_tell_nothing():
    watch = Watch([RATE])
    watch.saw(judged(passed=0, failed=9), {}, 0)
    watch.saw(judged(passed=0, failed=50, check="latency"), {}, 0)
    watch.saw(judged(passed=0, failed=50, previous=()), {}, 0)
    assert watch.events(0) == []


def test_services_are_apart_and_bounded():
    watch = Watch([RATE])
    for number in range(MOST_SERVICES + 50):
        watch.saw(judged(0, 10, service=f"service-{number}"), {f"service-{number}": 1}, 0)
    events = watch.events(0)
    assert len([event for event in events if event.kind is Kind.THRESHOLD]) == MOST_SERVICES
    assert len([event for event in events if event.kind is Kind.NEW_CLUSTER]) == MOST_SERVICES


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
def test_the_default_message_is_what_a_chat_shows(event):
    assert json.loads(Template().render(event, 0)) == {"text": event.text, "event": event.kind.value, "service": "shop"}


def test_a_budget_is_told_in_dollars():
    event = Event(Kind.BUDGET, "shop", percent=80, spent=0.0205, budget=0.025)
    assert event.text == "shop: this day's model calls cost $0.0205, 82% of the budget of $0.025"
    body = Template('{"p": {{ percent | tojson }}, "s": {{ spent | tojson }}, "b": {{ budget | tojson }}}')
    assert json.loads(body.render(event, 0)) == {"p": 80, "s": 0.0205, "b": 0.025}


def test_a_service_with_quotes_makes_json_still():
    body = Template().render(Event(Kind.NEW_CLUSTER, 'a"b\\', 1), 0)
    assert json.loads(body)["service"] == 'a"b\\'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ text", "the template is none"),
        ("plain {{ text }}", "makes no JSON"),
        ('{"a": {{ nothing | tojson }}}', "fails for"),
        ("{{ ''.__class__.__mro__ }}", "fails for"),
        ('{"a": "{{ "x" * 100000 }}"}', "makes more than"),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_the_start(text, said):
    with pytest.raises(TemplateProblem, match=said):
        Template(text)


def test_a_secret_is_long_enough():
    assert key_of(SECRET + "\n") == b"k" * 32
    assert key_of("x" * 24) == b"x" * 24
    for bad in ("short", "whsec_?", "whsec_" + base64.b64encode(b"short").decode()):
        with pytest.raises(ValueError, match=r"secret has less than|no base64"):
            key_of(bad)


@pytest.fixture
async def hook_to():
    """Makes running webhooks; ``sent`` and ``dropped`` count, ``slept`` remembers."""
    made = []

    class Made:
        def __init__(self, address):
            self.sent, self.dropped, self.slept = [], [], []
            counts = Counts(self.sent.append, self.dropped.append)
            self.hook = Webhook(
                "chat", f"{address}/hook", key_of(SECRET), Template(), counts, sleep=self.sleep, wall_s=lambda: NOW_S
            )
            self.task = asyncio.create_task(self.hook.run())
            made.append(self)

        async def sleep(self, seconds):
            self.slept.append(seconds)

        async def until_done(self, count):
            async with asyncio.timeout(20):
                while len(self.sent) + len(self.dropped) < count:  # noqa: ASYNC110 - a task of its own
                    await asyncio.sleep(0.005)

    yield Made
    for one in made:
        one.task.cancel()
        await one.hook.close()


NEW = EXAMPLES[Kind.NEW_CLUSTER]


async def test_a_message_arrives_signed_as_standard_webhooks_are(hook_to):
    with http_backend() as backend:
        made = hook_to(backend.address)
        made.hook.tell(NEW)
        await made.until_done(1)
    (got,) = backend.got
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.digest(b"k" * 32, content, "sha256")).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"
    assert got.headers["webhook-timestamp"] == str(NOW_S)
    assert json.loads(got.body)["text"] == "shop: 2 new kinds of failure"
    assert (made.sent, made.dropped) == (["chat"], [])


async def test_a_receiver_that_is_busy_is_asked_again_with_the_same_id(hook_to):
    with http_backend() as backend:
        backend.answers.extend([500, 429, 503])
        backend.retry_after = "40"
        made = hook_to(backend.address)
        made.hook.tell(NEW)
        await made.until_done(1)
    assert made.sent == ["chat"]
    assert made.slept == [40.0, 40.0, 40.0]
    assert len(backend.got) == 1


@pytest.mark.parametrize(("status", "reason"), [(400, "refused"), (410, "refused"), (302, "refused")])
async def test_a_receiver_that_says_no_is_not_asked_again_and_the_next_message_goes_on(hook_to, status, reason):
    with http_backend() as backend:
        backend.answers.append(status)
        made = hook_to(backend.address)
        made.hook.tell(NEW)
        made.hook.tell(NEW)
        await made.until_done(2)
    assert (made.sent, made.dropped, made.slept) == (["chat"], [reason], [])


async def test_a_receiver_that_is_away_is_given_up_after_some_tries(hook_to):
    with http_backend() as backend:
        pass
    made = hook_to(backend.address)
    made.hook.tell(NEW)
    await made.until_done(1)
    assert (made.dropped, len(made.slept)) == (["retries"], TRIES)


async def test_messages_that_find_no_room_are_counted(hook_to):
    made = hook_to("http://127.0.0.1:1")
    for _ in range(MOST_WAITING + 3):
        made.hook.tell(NEW)
    assert made.dropped == ["queue_full"] * 3


def settings(**parts):
    return Settings.model_validate({"notify": [{"url": "http://localhost:1/T0/secret-part", **parts}]})


@pytest.mark.parametrize(
    ("parts", "key", "said"),
    [
        ({"template": "{{ text"}, "notify.0.template", "the template is none"),
        ({"secret_file": "/no/such/file"}, "notify.0.secret_file", "cannot be read"),
        ({"secret_file": "/dev/null"}, "notify.0.secret_file", "less than 24 bytes"),
    ],
)
def test_what_cannot_work_stops_the_start(parts, key, said):
    with pytest.raises(ConfigError, match=said) as raised:
        Notifying(settings(**parts), Metrics(100))
    assert [problem.key for problem in raised.value.problems] == [key]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[{url: 'secret place'}]", "notify.0.url", "must be an http"),
        ("[{url: 'http://a', events: [threshold]}]", "notify.0.thresholds", "go together"),
        ("[{url: 'http://a', thresholds: [{check: a, below: 0.5}]}]", "notify.0.thresholds", "go together"),
        (
            "[{url: 'http://a', events: [threshold], thresholds: [{check: citatons, below: 0.5}]}]",
            "notify.0.thresholds.0.check",
            "is no check that runs",
        ),
        ("[{url: 'http://a', events: [all]}]", "notify.0.events", "new_cluster, threshold, budget"),
        ("[{url: 'http://a'}, {url: 'http://a/b'}]", "notify.1.name", "name of another one"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_never_the_address(tmp_path, text, key, said):
    path = tmp_path / "sidecheck.yaml"
    path.write_text(f"notify: {text}")
    with pytest.raises(ConfigError) as raised:
        load(path, {})
    told = {problem.key: str(problem) for problem in raised.value.problems}
    assert said in told[key]
    assert "secret place" not in str(told)


def test_the_address_is_not_shown():
    assert "secret-part" not in as_yaml(settings())
    assert logging.getLogger("httpx").getEffectiveLevel() >= logging.WARNING  # it logs addresses
