"""The catalogue: from a configuration to a plan of checks."""

import pickle
import subprocess
import sys
from dataclasses import dataclass

import pytest
from builders import an_interaction

from checks.builtin.latency import Latency, LimitOverride
from checks.builtin.user_feedback import UserFeedback
from checks.catalogue import BUILTINS, DEFAULT_CHECKS, CheckConfigError, available, build
from checks.duration import SECOND
from checks.report import Outcome
from checks.runner import run
from checks.selection import Selection

HEAD = """
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar
from checks.check import CheckInfo, OptionError
from checks.finding import Finding

INFO = CheckInfo("mine", "1", "Mine.", codes={"bad": "Bad."})
"""

GOOD = """
@dataclass(frozen=True, slots=True)
class Mine:
    limit: int = 3
    words: tuple[str, ...] = ("a",)
    weights: dict[str, float] = field(default_factory=dict)
    strict: bool = False
    info: ClassVar[CheckInfo] = INFO

    def __post_init__(self):
        if self.limit == 13:
            raise OptionError("limit", "13 brings bad luck")
        if self.limit == 14:
            raise RuntimeError("boom")

    def applies_to(self, interaction):
        return True

    def inspect(self, interaction):
        if len(interaction.final_output) > self.limit:
            yield Finding("bad", "too long")
"""

METHODS = """
    def applies_to(self, interaction): return True
    def inspect(self, interaction): return ()
"""


@dataclass(frozen=True)
class FakePlugin:
    """An entry point."""

    name: str
    value: str


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes an importable module of one's own and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(body, name="mychecks"):
        (tmp_path / f"{name}.py").write_text(HEAD + body)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    yield write
    sys.modules.pop("mychecks", None)


def problem_of(configs, plugins=()):
    with pytest.raises(CheckConfigError) as refused:
        build(configs, lambda: plugins)
    return refused.value.key, refused.value.problem


def one(config, name="latency"):
    (planned,) = build({name: config})
    return planned


def test_every_default_check_is_built_in_and_can_be_built_without_options():
    plan = build({name: {} for name in DEFAULT_CHECKS})
    assert [planned.name for planned in plan] == list(DEFAULT_CHECKS)
    assert set(DEFAULT_CHECKS) <= set(BUILTINS)


def test_the_name_of_each_built_in_check_is_the_name_in_its_info():
    assert [described.info.name for described in available(tuple)] == list(BUILTINS)


def test_importing_the_catalogue_imports_no_check():
    code = "import sys, checks.catalogue; print([m for m in sys.modules if m.startswith('checks.builtin')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]"


def test_a_name_with_nothing_behind_it_takes_the_defaults():
    planned = one(None)
    assert planned.check == Latency()
    assert (planned.selection, planned.promote, planned.deadline_ns) == (Selection(), True, SECOND)


def test_options_become_the_fields_of_the_check():
    assert one({"max_trace": "5s", "max_first_token": None}).check == Latency(max_trace="5s", max_first_token=None)


def test_options_are_kept_as_they_were_written_without_the_common_keys():
    assert one({"max_trace": "5s", "sample": 0.5, "use": "latency"}).options == {"max_trace": "5s"}


def test_nested_options_are_read_from_mappings():
    limits = [{"service": "shop", "max_trace": "5s"}]
    assert one({"limits": limits}).check == Latency(limits=(LimitOverride(service="shop", max_trace="5s"),))


def test_a_string_is_read_as_a_number_since_the_environment_gives_no_other():
    assert one({"min_score": "0.7"}, "user_feedback").check == UserFeedback(min_score=0.7)


def test_a_disabled_check_is_not_in_the_plan_and_not_even_imported():
    assert build({"latency": {"enabled": False}, "gone": {"use": "no_such:Thing", "enabled": "false"}}) == ()


def test_the_common_keys_are_read():
    config = {"when": {"service": "shop"}, "sample": 0.1, "promote": False, "deadline": "250ms"}
    planned = one(config)
    assert planned.selection == Selection(service=("shop",), sample=0.1)
    assert (planned.promote, planned.deadline_ns) == (False, SECOND // 4)


def test_one_check_can_run_twice_under_two_names():
    plan = build({"latency": {}, "chat_latency": {"use": "latency", "max_trace": "2s"}})
    assert [(p.name, p.check.max_trace) for p in plan] == [("latency", "30s"), ("chat_latency", "2s")]


@pytest.mark.parametrize(
    ("config", "key", "says"),
    [
        ({"max_trase": "5s"}, "checks.latency.max_trase", "did you mean 'max_trace'?"),
        ({"zzz": 1}, "checks.latency.zzz", "the options are max_trace, max_model_call, max_first_token, limits"),
        ({"max_trace": "soon"}, "checks.latency.max_trace", "'soon' is no duration"),
        ({"max_trace": True}, "checks.latency.max_trace", "True is not of type str | int | float | None"),
        ({"max_trace": [1]}, "checks.latency.max_trace", "[1] is not of type"),
        ({"limits": 3}, "checks.latency.limits", "3 does not fit: input should be a list"),
        ({"limits": [{"max_trase": "5s"}]}, "checks.latency.limits[0].max_trase", "unknown option"),
        ({"limits": [{}, {"max_trace": "x"}]}, "checks.latency.limits[1].max_trace", "'x' is no duration"),
        ({"sample": 2}, "checks.latency.sample", "2.0 is no share"),
        ({"sample": True}, "checks.latency.sample", "True does not fit: input should be a valid number"),
        ({"sample": "half"}, "checks.latency.sample", "'half' does not fit"),
        ({"when": {"services": "x"}}, "checks.latency.when.services", "the keys are service, route, model, attribute"),
        ({"promote": "maybe"}, "checks.latency.promote", "'maybe' does not fit: input should be a valid boolean"),
        ({"enabled": 7}, "checks.latency.enabled", "7 does not fit"),
        ({"deadline": None}, "checks.latency.deadline", "None is no duration"),
        ({"deadline": 0}, "checks.latency.deadline", "at least 1ms"),
        ({"use": 3}, "checks.latency.use", "'module:Class'"),
        pytest.param({"max_trace": [10**5000]}, "checks.latency.max_trace", "not of type", id="a huge integer"),
        ("on", "checks.latency", "must be a mapping"),
        (False, "checks.latency", "{enabled: false}"),
    ],
)
def test_a_bad_entry_is_refused_with_the_path_of_the_key_and_the_rule(config, key, says):
    found, problem = problem_of({"latency": config})
    assert found == key
    assert says in problem


def test_a_check_without_options_says_so(module):
    name = module("@dataclass(frozen=True)\nclass Bare:\n    info: ClassVar[CheckInfo] = INFO\n" + METHODS)
    assert "this check has no options of its own" in problem_of({"bare": {"use": f"{name}:Bare", "x": 1}})[1]


def test_a_long_value_is_not_repeated_in_full():
    assert len(problem_of({"latency": {"limits": "x" * 10_000}})[1]) < 300


@pytest.mark.parametrize("name", ["Latency", "a b", "", "9x", "x" * 64, 7])
def test_a_name_that_cannot_be_a_label_is_refused(name):
    assert "begins with a small letter" in problem_of({name: {}})[1]


def test_an_unknown_name_is_refused_with_the_nearest_one():
    key, problem = problem_of({"latancy": {}})
    assert key == "checks.latancy"
    assert "did you mean 'latency'?" in problem


def test_a_check_of_ones_own_is_built_and_runs(module):
    plan = build({"politeness": {"use": f"{module(GOOD)}:Mine", "limit": 4}})
    (verdict,) = run(an_interaction("Fine."), plan).verdicts
    assert (verdict.check, verdict.outcome) == ("politeness", Outcome.FAILED)


def test_a_built_in_check_can_be_replaced_by_ones_own(module):
    planned = one({"use": f"{module(GOOD)}:Mine"}, "pii")
    assert type(planned.check).__name__ == "Mine"


def test_a_plugin_is_found_by_its_name(module):
    plugins = [FakePlugin("mine", f"{module(GOOD)}:Mine")]
    (planned,) = build({"mine": {"limit": 5}}, lambda: plugins)
    assert planned.check.limit == 5
    assert "mine" in [described.name for described in available(lambda: plugins)]


def test_a_plugin_does_not_take_the_name_of_a_built_in_check(module):
    plugins = [FakePlugin("latency", f"{module(GOOD)}:Mine")]
    (planned,) = build({"latency": {}}, lambda: plugins)
    assert planned.check == Latency()
    assert {d.name: d.reference for d in available(lambda: plugins)} == BUILTINS


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        ({"limit": 13}, "checks.mine.limit", "13 brings bad luck"),
        ({"limit": 14}, "checks.mine", "RuntimeError: boom"),
        ({"limit": "many"}, "checks.mine.limit", "'many' does not fit: input should be a valid integer"),
        ({"limit": True}, "checks.mine.limit", "True does not fit"),
        ({"words": ["a", 3]}, "checks.mine.words[1]", "3 does not fit: input should be a valid string"),
        ({"words": "a"}, "checks.mine.words", "'a' does not fit: input should be a list"),
        ({"weights": "a"}, "checks.mine.weights", "'a' does not fit: input should be a mapping"),
        ({"strict": "perhaps"}, "checks.mine.strict", "valid boolean"),
    ],
)
def test_options_of_ones_own_check_are_typed_like_those_of_a_built_in_one(module, options, key, says):
    found, problem = problem_of({"mine": {"use": f"{module(GOOD)}:Mine", **options}})
    assert found == key
    assert says in problem


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("Mine = 3", "it is not a class"),
        ("class Mine: pass", "@dataclass(frozen=True)"),
        ("@dataclass\nclass Mine: pass", "@dataclass(frozen=True)"),
        ("@dataclass(frozen=True)\nclass Mine:" + METHODS, "a class attribute 'info"),
        ("@dataclass(frozen=True)\nclass Mine:\n    info: ClassVar = CheckInfo('', '1', '')" + METHODS, "not empty"),
        (
            "@dataclass(frozen=True)\nclass Mine:\n    info: ClassVar = CheckInfo('a', 1, '')" + METHODS,
            "must be strings",
        ),
        ("@dataclass(frozen=True)\nclass Mine:\n    sample: int = 1\n    info: ClassVar = INFO" + METHODS, "'sample'"),
        ("@dataclass(frozen=True)\nclass Mine:\n    info: ClassVar = INFO", "'applies_to(self, interaction)'"),
        (
            "@dataclass(frozen=True)\nclass Mine:\n    info: ClassVar = INFO"
            + METHODS.replace("def insp", "async def insp"),
            "'inspect' is async",
        ),
        (
            "@dataclass(frozen=True)\nclass Mine:\n    info: ClassVar = INFO"
            + METHODS.replace("(self, interaction)", "(self)"),
            "must take one argument",
        ),
    ],
)
def test_a_class_that_does_not_keep_the_contract_is_refused_with_what_is_missing(module, body, says):
    key, problem = problem_of({"mine": {"use": f"{module(body)}:Mine"}})
    assert key == "checks.mine.use"
    assert "is no check" in problem
    assert says in problem


def test_a_missing_option_without_a_default_is_named(module):
    name = module(GOOD.replace("limit: int = 3", "limit: int"))
    assert problem_of({"mine": {"use": f"{name}:Mine"}}) == ("checks.mine.limit", "is missing, and has no default")


def test_an_option_of_the_users_own_type_is_left_to_the_check(module):
    name = module("class Own: pass\n" + GOOD.replace("limit: int = 3", "limit: Own | int = 3"))
    assert one({"use": f"{name}:Mine", "limit": 5}, "mine").check.limit == 5


def test_annotations_that_only_a_type_checker_can_read_are_no_hindrance(module):
    name = module(GOOD.replace("limit: int = 3", "limit: 'Unknown' = 3"))
    assert one({"use": f"{name}:Mine", "limit": 5}, "mine").check.limit == 5


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("no_such_module:Mine", "PYTHONPATH (the working directory is not searched)"),
        ("no_such_package.inner:Mine", "there is no module 'no_such_package.inner'"),
        ("mychecks:Mime", "has no 'Mime'; did you mean 'Mine'?"),
        ("mychecks:", "write 'module:Class'"),
        ("os;x:y", "write 'module:Class'"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_with_what_to_do(module, reference, says):
    module(GOOD)
    assert says in problem_of({"mine": {"use": reference}})[1]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import no_such_library", "it needs module 'no_such_library'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_with_the_cause(module, body, says):
    assert says in problem_of({"mine": {"use": f"{module(body)}:Mine"}})[1]


def test_a_refusal_is_one_sentence_and_survives_the_way_out_of_a_worker_process():
    with pytest.raises(CheckConfigError) as refused:
        build({"latency": {"max_trase": 1}})
    copy = pickle.loads(pickle.dumps(refused.value))
    assert str(copy) == str(refused.value)
    assert str(copy).startswith("checks.latency.max_trase: unknown option; ")


def test_the_description_of_a_check_names_its_options_with_types_and_defaults():
    (latency,) = (described for described in available(tuple) if described.name == "latency")
    assert [(o.name, o.type, o.default) for o in latency.options] == [
        ("max_trace", "str | int | float | None", "30s"),
        ("max_model_call", "str | int | float | None", "20s"),
        ("max_first_token", "str | int | float | None", "5s"),
        ("limits", "tuple[LimitOverride, ...]", ()),
    ]
