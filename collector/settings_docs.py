"""The configuration written out: as YAML, as a JSON Schema for editors, and as the rows of a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from collector.settings_backends import ForwardSection, NotifySection, hidden
from collector.settings_errors import Path
from collector.settings_models import Settings
from collector.settings_section import Section
from collector.settings_values import without_password

_APART = {("checks",), ("results", "otlp"), ("telemetry", "otlp")}
"""Keys below which there is not always the same."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option as documentation shows it: dotted ``key``, ``default`` as YAML has it, a line of ``description``."""

    key: str
    default: str
    description: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "SIDECHECK_" + self.key.upper().replace(".", "__")


def describe() -> list[Option]:
    """Every option, in the order of the configuration file."""
    return [
        Option(".".join(path), _inline(default), description) for path, default, description in _options(Settings(), ())
    ]


def describe_destination() -> list[Option]:
    """Every option of an item of ``forward``."""
    section = ForwardSection(endpoint="http://tempo:4318")
    return [
        Option(".".join(path), "" if path == ("endpoint",) else _inline(default), description)
        for path, default, description in _options(section, ())
    ]


def all_keys() -> list[Path]:
    """The path of every key that exists, sections included; below ``checks`` users name their own."""
    options = [path for path, _, _ in _options(Settings(), ())]
    return list(dict.fromkeys(path[:n] for path in options for n in range(1, len(path) + 1)))


def describe_webhook() -> list[Option]:
    """Every option of an item of ``notify``."""
    section = NotifySection(url="http://localhost")
    return [
        Option(".".join(path), "null" if path == ("url",) else _inline(default), description)
        for path, default, description in _options(section, ())
    ]


def changed_keys(old: Settings, new: Settings) -> tuple[str, ...]:
    """The dotted keys whose values differ, those of single checks among them."""
    return tuple(key for key, before, after in _pairs(old, new) if before != after)


def _pairs(old: Settings, new: Settings) -> Iterator[tuple[str, Any, Any]]:
    before, after = (
        {path: value for path, value, _ in _options(settings, ()) if not {path[:1], path[:2]} & _APART}
        for settings in (old, new)
    )
    for path, value in before.items():
        yield ".".join(path), value, after[path]
    yield "results.otlp", old.results.otlp, new.results.otlp
    yield "telemetry.otlp", old.telemetry.otlp, new.telemetry.otlp
    for name in dict.fromkeys((*old.checks, *new.checks)):
        yield f"checks.{name}", old.checks.get(name), new.checks.get(name)


def _options(section: Section, parent: Path) -> Iterator[tuple[Path, Any, str]]:
    written = section.model_dump(mode="json")
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _options(value, (*parent, name))
        else:
            yield (*parent, name), written[name], info.description or ""


def _inline(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def as_yaml(settings: Settings, *, show_passwords: bool = False) -> str:
    """The configuration as a YAML file would say it, every key there. Passwords are shown as ``***``."""
    written = settings.model_dump(mode="json")
    if settings.store.url and not show_passwords:
        written["store"]["url"] = without_password(settings.store.url)
    if not show_passwords:
        written["forward"] = [hidden(backend) for backend in written["forward"]]
        # An address is often the secret.
        written["notify"] = [{**hook, "url": hook["url"] and "***"} for hook in written["notify"]]
        for section in ("results", "telemetry"):
            if written[section]["otlp"] is not None:
                written[section]["otlp"] = hidden(written[section]["otlp"])
        written["kafka"]["consumer"] = {key: _hidden(key, value) for key, value in settings.kafka.consumer.items()}
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True)


def _hidden(key: str, value: Any) -> Any:
    return "***" if "password" in key else value


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of the configuration file, for editors."""
    schema = Settings.model_json_schema(mode="serialization")  # the mode that gives defaults as they are written
    for model in (schema, *schema["$defs"].values()):
        model["properties"] = {name: _nullable(part) for name, part in model["properties"].items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "sidecheck configuration"}


def _nullable(part: dict[str, Any]) -> dict[str, Any]:
    """A section may be left empty."""
    if "$ref" in part:
        return {"anyOf": [{"$ref": part["$ref"]}, {"type": "null"}], **{k: v for k, v in part.items() if k != "$ref"}}
    if part.get("type") == "object":
        return {**part, "type": ["object", "null"]}
    return part
