"""Webhooks: what is worth telling, in which words, signed, tried again, and never in anybody's way.

Long, since all of it is told by the same few hooks, events and receivers, which are made here.
"""

import asyncio
import base64
import hmac
import json
import logging
import re
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

import pytest
from otlp_backends import http_backend
from store_builders import a_record, a_verdict

from checks.report import Outcome
from collector.notifying import Notifying, hooks_of
from collector.settings import ConfigError, Settings, as_yaml, load
from exporters.metrics.prometheus import Metrics
from exporters.notify.event import EXAMPLES, Event, Kind, NewCluster, Template, TemplateProblem
from exporters.notify.watch import MOST_CLUSTERS, MOST_NAMES, MOST_SERVICES, Links, Threshold, Watch
from exporters.notify.webhook import MOST_WAITING, TRIES, Counts, Receiver, Webhook, key_of, signed
from exporters.packed import pack
from exporters.store import Opened, SaveResult

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


def opened(number=1, service="shop", failures=None):
    return Opened(f"cluster-{number}", service, failures or {"citations": ("missing",)}, f"{number:032x}")


def test_new_kinds_of_failure_are_one_event_a_service_that_says_what_failed_how_often_and_where():
    watch = Watch(links=Links("https://sidecheck.example/", "https://jaeger/{trace_id}"))
    watch.saw((), 0, [opened(1), opened(2, "bank", {"pii": (), "valid_json": ("syntax", "schema")})], {"cluster-1": 2})
    watch.saw((), 0, [opened(3)], {"cluster-1": 1, "cluster-3": 1, "another": 7})
    shop, bank = watch.events(0)
    assert (shop.service, shop.count, shop.more, bank.count) == ("shop", 2, 0, 1)
    assert [cluster.traces for cluster in shop.clusters] == [3, 1]
    assert shop.text.splitlines() == [
        "shop: 2 new kinds of failure",
        f"citations (missing): 3 traces, https://sidecheck.example/traces/{1:032x}",
        f"citations (missing): 1 trace, https://sidecheck.example/traces/{3:032x}",
    ]
    assert bank.text.splitlines()[1].startswith("pii, valid_json (syntax, schema): 1 trace, ")
    assert shop.clusters[0].trace_url == f"https://jaeger/{1:032x}"
    assert watch.events(0) == []


def test_without_an_address_of_the_pages_a_message_leads_to_the_backend_else_it_names_the_trace():
    for links, end in ((Links(None, "https://jaeger/{trace_id}"), f"https://jaeger/{1:032x}"), (Links(), f"{1:032x}")):
        watch = Watch(links=links)
        watch.saw((), 0, [opened()])
        assert watch.events(0)[0].text.endswith(end)


def test_a_burst_of_new_kinds_makes_a_message_that_is_bounded():
    watch = Watch()
    many = {f"check-{n}": tuple(f"code-{m}" for m in range(100)) for n in range(100)}
    watch.saw((), 0, [opened(number, failures=many) for number in range(1, 101)])
    (event,) = watch.events(0)
    assert (event.count, len(event.clusters), event.more) == (100, MOST_CLUSTERS, 100 - MOST_CLUSTERS)
    assert event.text.endswith(f"and {event.more} more")
    shown = event.clusters[0].failures
    assert (len(shown), {len(codes) for codes in shown.values()}) == (MOST_NAMES, {MOST_NAMES})


def test_a_template_may_use_all_that_is_known_of_a_new_kind_of_failure():
    text = """{"blocks": [{% for c in clusters %}{"what": {{ c.failures | tojson }}, "n": {{ c.traces }},
      "where": [{{ c.page | tojson }}, {{ c.trace_url | tojson }}, {{ c.trace_id | tojson }}],
      "id": {{ c.id | tojson }}, "line": {{ c.text | tojson }}}
      {{ "," if not loop.last }}{% endfor %}], "more": {{ more }}}"""
    cluster = NewCluster("f", {"pii": ("email",)}, 4, "ab", "https://here/traces/ab")
    body = Template(text).render(Event(Kind.NEW_CLUSTER, "shop", 3, clusters=(cluster,)), 0)
    assert json.loads(body) == {
        "blocks": [
            {
                "what": {"pii": ["email"]},
                "n": 4,
                "where": ["https://here/traces/ab", None, "ab"],
                "id": "f",
                "line": "pii (email): 4 traces, https://here/traces/ab",
            }
        ],
        "more": 2,
    }


def test_a_threshold_that_stays_keeps_its_window_and_what_was_told():
    watch = Watch([RATE])
    watch.saw(judged(passed=0, failed=6), 0)
    other = Threshold("latency", below=0.5, over_ns=MINUTE)
    watch.adopt([other, RATE], Links())
    watch.saw(judged(passed=0, failed=6), 0)
    assert [event.count for event in watch.events(0)] == [12]
    watch.adopt([RATE], Links())
    assert watch.events(0) == []
    watch.adopt([], Links())
    watch.adopt([RATE], Links())
    watch.saw(judged(passed=0, failed=9), 0)
    assert watch.events(0) == []  # it began anew, with too few results


def test_a_rate_that_falls_is_told_of_once_and_again_after_it_was_well():
    watch = Watch([RATE])
    watch.saw(judged(passed=8, failed=2), 0)
    (event,) = watch.events(0)
    assert event == Event(Kind.THRESHOLD, "shop", 10, "citations", 0.8, 0.9, 10.0)
    assert event.text == "shop: citations passed 80% of 10 traces in 10 minutes, which is below 90%"
    assert watch.events(MINUTE) == []
    watch.saw(judged(passed=50, failed=0), 2 * MINUTE)
    assert watch.events(2 * MINUTE) == []
    watch.saw(judged(passed=0, failed=50), 3 * MINUTE)
    assert len(watch.events(3 * MINUTE)) == 1


def test_what_is_older_than_the_window_counts_no_more():
    watch = Watch([RATE])
    watch.saw(judged(passed=0, failed=50), 0)
    watch.saw(judged(passed=10, failed=0), 11 * MINUTE)
    assert watch.events(11 * MINUTE) == []


def test_few_results_other_checks_and_verdicts_that_changed_tell_nothing():
    watch = Watch([RATE])
    watch.saw(judged(passed=0, failed=9), 0)
    watch.saw(judged(passed=0, failed=50, check="latency"), 0)
    watch.saw(judged(passed=0, failed=50, previous=()), 0)
    assert watch.events(0) == []


def test_services_are_apart_and_bounded():
    watch = Watch([RATE])
    for number in range(MOST_SERVICES + 50):
        service = f"service-{number}"
        watch.saw(judged(0, 10, service=service), 0, [opened(number, service)])
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


@pytest.mark.parametrize(
    ("spent", "budget", "said"),
    [(9.96, 10.0, "99%"), (0.1 + 0.7, 1.0, "80%"), (10.0, 10.0, "100%"), (11.5, 10.0, "115%"), (0.57, 1.0, "57%")],
)
def test_a_budget_that_is_nearly_spent_is_not_told_of_as_spent(spent, budget, said):
    assert f", {said} of the budget" in Event(Kind.BUDGET, "shop", percent=80, spent=spent, budget=budget).text


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
            receiver = Receiver(f"{address}/hook", key_of(SECRET), Template())
            self.hook = Webhook("chat", receiver, counts, sleep=self.sleep, wall_s=lambda: NOW_S)
            self.task = asyncio.create_task(self.hook.run())
            made.append(self)

        async def sleep(self, seconds):
            self.slept.append(seconds)

        async def until_done(self, count):
            async with asyncio.timeout(30):
                while len(self.sent) + len(self.dropped) < count:  # noqa: ASYNC110 - a task of its own
                    await asyncio.sleep(0.005)

    yield Made
    for one in made:
        one.task.cancel()
        await one.hook.close("shutdown")


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
    assert json.loads(got.body)["text"] == NEW.text
    assert NEW.text.startswith("shop: 2 new kinds of failure\n")
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


@pytest.mark.parametrize("address", ["http://xn--", "http://127.0.0.1:port"])
async def test_an_address_that_leads_nowhere_costs_its_messages_and_not_those_to_the_next_one(hook_to, address):
    made = hook_to(address)
    made.hook.tell(NEW)
    await made.until_done(1)
    with http_backend() as backend:
        made.hook.turn_to(Receiver(f"{backend.address}/hook", None, Template()))
        made.hook.tell(NEW)
        await made.until_done(2)
    assert (made.sent, made.dropped, made.slept) == (["chat"], ["refused"], [])


async def test_messages_that_find_no_room_are_counted(hook_to):
    made = hook_to("http://127.0.0.1:1")
    for _ in range(MOST_WAITING + 3):
        made.hook.tell(NEW)
    assert made.dropped == ["queue_full"] * 3


BUDGETS = {"shop": {"per_day": 25}}


class Hooks:
    """Webhooks that change. What is saved opens a cluster, and is told of when they ``look``."""

    def __init__(self, leave_within_s=10.0, flush_within_s=0.05):
        self.metrics = Metrics(100)
        self.notifying = Notifying(self.metrics, lambda: 0, leave_within_s, flush_within_s)

    def adopt(self, *hooks, **api):
        self.notifying.adopt(hooks_of(Settings.model_validate({"notify": hooks, "api": api, "budgets": BUDGETS})))

    def tell(self, number=1):
        self.notifying.saved((), SaveResult(opened=(opened(number),)))
        self.notifying.look()

    def dropped(self, reason):
        wanted = f'sidecheck_dropped_total{{reason="{reason}",what="notification"}} '
        lines = self.metrics.render()[0].decode().splitlines()
        return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


@pytest.fixture
async def hooks():
    made = []

    def make(**parts):
        made.append(Hooks(**parts))
        return made[-1]

    yield make
    for one in made:
        await one.notifying.stop()


async def got_by(backend, count=1):
    return [json.loads((await asyncio.to_thread(backend.next)).body) for _ in range(count)]


async def test_budgets_are_told_to_the_webhooks_that_want_to_know_as_they_are_now(hooks):
    made = hooks()
    assert made.notifying.teller_of_budgets is None
    with http_backend() as backend, http_backend() as other:
        chat = {"url": backend.address, "name": "chat", "events": ["budget"]}
        made.adopt(chat, {"url": other.address, "name": "other"})
        made.notifying.teller_of_budgets(EXAMPLES[Kind.BUDGET])
        (got,) = await got_by(backend)
    assert (got["event"], other.got) == ("budget", [])
    made.adopt({**chat, "events": ["new_cluster"]})
    assert made.notifying.teller_of_budgets is None


async def test_a_budget_is_told_to_those_that_are_there_by_then(hooks):
    made = hooks()
    with http_backend() as old, http_backend() as new:
        made.adopt({"url": old.address, "name": "old", "events": ["budget"]})
        tell = made.notifying.teller_of_budgets
        made.adopt({"url": new.address, "name": "new", "events": ["budget"]})
        tell(EXAMPLES[Kind.BUDGET])
        assert [message["event"] for message in await got_by(new)] == ["budget"]
        made.adopt()
        tell(EXAMPLES[Kind.BUDGET])
    assert (old.got, made.dropped("no_destination")) == ([], 1)


async def test_an_end_sends_what_waits(hooks):
    with http_backend() as backend:
        made = hooks(flush_within_s=20.0)
        made.adopt({"url": backend.address}, {"url": backend.address, "name": "leaves"})
        made.tell()
        made.adopt({"url": backend.address})
        await made.notifying.stop()
    assert (len(backend.got), made.dropped("shutdown")) == (2, 0)


async def test_what_an_end_gives_up_is_counted_and_so_is_what_comes_after_it(hooks):
    with http_backend() as backend:
        backend.gate.clear()
        made = hooks()
        made.adopt({"url": backend.address, "events": ["budget", "new_cluster"]})
        made.tell()
        made.tell(2)
        await made.notifying.stop()
        assert made.dropped("shutdown") == 2
        made.notifying.teller_of_budgets(EXAMPLES[Kind.BUDGET])
        await made.notifying.stop()
        backend.gate.set()
    assert made.dropped("shutdown") == 3


async def test_a_webhook_that_changes_gets_what_waited_for_it_at_once(hooks):
    with http_backend() as old, http_backend() as new:
        old.answers.extend([503] * 100)
        old.retry_after = "600"
        made = hooks()
        made.adopt({"url": old.address, "name": "chat"})
        made.tell()
        await asyncio.to_thread(old.asked.wait, 20)
        made.tell(2)
        template = '{"moved": {{ count }}}'
        made.adopt({"url": new.address, "name": "chat", "template": template}, public_url="https://here")
        first, second = await got_by(new, 2)
    assert first["text"].startswith("shop: 1 new kind of failure")  # it was made before, and has its id
    assert second == {"moved": 1}
    assert old.got == []


async def test_a_webhook_that_is_taken_out_gets_what_waits_and_nothing_more(hooks):
    with http_backend() as backend:
        backend.gate.clear()
        made = hooks()
        made.adopt({"url": backend.address, "name": "chat"})
        made.tell()
        made.notifying.saved((), SaveResult(opened=(opened(2, "bank"),)))  # seen, and nobody has looked yet
        made.adopt()
        made.tell(3)
        backend.gate.set()
        assert [message["service"] for message in await got_by(backend, 2)] == ["shop", "bank"]
        async with asyncio.timeout(30):
            while made.notifying._leaving:  # noqa: ASYNC110 - a task of its own
                await asyncio.sleep(0.005)
    assert len(backend.got) == 2
    assert made.dropped("no_destination") == 0


async def test_what_a_webhook_that_is_taken_out_does_not_take_is_counted(hooks):
    with http_backend() as backend:
        backend.gate.clear()
        made = hooks(leave_within_s=0.05)
        made.adopt({"url": backend.address})
        made.tell()
        made.tell(2)
        made.adopt()
        async with asyncio.timeout(30):
            while made.dropped("no_destination") < 2:  # noqa: ASYNC110 - a task of its own
                await asyncio.sleep(0.005)


async def test_an_address_and_a_secret_of_files_are_read_again_when_they_change(hooks, tmp_path):
    address, secret = tmp_path / "address", tmp_path / "secret"
    with http_backend() as old, http_backend() as new:
        address.write_text(f"{old.address}/secret-part\n")
        secret.write_text("a" * 32)
        made = hooks()
        made.adopt({"url_file": str(address), "name": "chat", "secret_file": str(secret)})
        made.tell()
        await got_by(old)
        address.write_text(f"{new.address}/hook")
        secret.write_text("b" * 40)
        made.tell(2)
        await got_by(new)
        address.write_text("no address")
        secret.unlink()
        made.tell(3)
        await got_by(new)
    assert [got.signal for got in (*old.got, *new.got)] == ["/secret-part", "/hook", "/hook"]
    for got, key in zip((*old.got, *new.got), (b"a" * 32, b"b" * 40, b"b" * 40), strict=True):
        sent_at = int(got.headers["webhook-timestamp"])
        signature = signed(key, got.headers["webhook-id"], sent_at, got.body)["webhook-signature"]
        assert got.headers["webhook-signature"] == signature


MARK = ContextVar("MARK", default="nothing under way")


class Marking(Template):
    """A template that remembers what was under way where it made a message."""

    marks = ()

    def render(self, event, time_s):
        self.marks += (MARK.get(),)
        return super().render(event, time_s)


async def test_a_webhook_sends_apart_from_the_reload_that_brought_it(hooks):
    made, template = hooks(flush_within_s=20.0), Marking()
    template.marks = ()  # of the examples that it was tried with
    with http_backend() as backend:
        (hook,) = hooks_of(Settings.model_validate({"notify": [{"url": backend.address}]}))
        MARK.set("a reload")
        receiver = replace(hook.receiver(), template=template)
        made.notifying.adopt([replace(hook, receiver=lambda: receiver)])
        made.tell()
        await made.notifying.stop()
    assert template.marks == ("nothing under way",)


def settings(**parts):
    return Settings.model_validate({"notify": [{"url": "http://localhost:1/T0/secret-part", **parts}]})


@pytest.mark.parametrize(
    ("parts", "key", "said"),
    [
        ({"template": "{{ text"}, "notify.0.template", "the template is none"),
        ({"secret_file": "/no/such/file"}, "notify.0.secret_file", "cannot be read"),
        ({"secret_file": "/dev/null"}, "notify.0.secret_file", "less than 24 bytes"),
        ({"url": None, "url_file": "/dev/null", "name": "chat"}, "notify.0.url_file", "must be an http"),
    ],
)
def test_what_cannot_work_stops_the_start(parts, key, said):
    with pytest.raises(ConfigError, match=said) as raised:
        hooks_of(settings(**parts))
    assert [problem.key for problem in raised.value.problems] == [key]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[{url: 'secret place'}]", "notify.0.url", "must be an http"),
        ("[{url: 'http://a:secret place/'}]", "notify.0.url", "must be an http"),
        ("[{url: 'http://a:secret/'}]", "notify.0.url", "must be an http"),
        ('[{url: "http://a\\0b/"}]', "notify.0.url", "must be an http"),
        ("[{url: 'http://a', events: [threshold]}]", "notify.0.thresholds", "go together"),
        ("[{url: 'http://a', thresholds: [{check: a, below: 0.5}]}]", "notify.0.thresholds", "go together"),
        (
            "[{url: 'http://a', events: [threshold], thresholds: [{check: citatons, below: 0.5}]}]",
            "notify.0.thresholds.0.check",
            "is no check that runs",
        ),
        ("[{name: a}]", "notify.0.url", "give one of them"),
        ("[{name: a, url: 'http://a', url_file: f}]", "notify.0.url", "give one of them"),
        ("[{url_file: f}]", "notify.0.name", "needs a name"),
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


def test_the_documentation_names_every_variable_of_a_template():
    text = (Path(__file__).parents[2] / "exporters" / "README.md").read_text(encoding="utf-8")
    section = text.partition("| variable | of |")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([a-z_.\[\]]+)` \| (?:all|`)", section, re.MULTILINE)
    event = EXAMPLES[Kind.NEW_CLUSTER]
    assert set(named) == {*event.context(0), *(f"clusters[].{key}" for key in event.clusters[0].context())}


def test_a_proxy_that_cannot_be_used_is_refused_before_anything_changes(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks9://127.0.0.1:1")
    with pytest.raises(ConfigError, match="ALL_PROXY"):
        hooks_of(settings())
