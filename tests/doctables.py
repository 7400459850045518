"""The tables of the documentation, made from the code they describe.

``python tests/doctables.py`` prints them all; ``python tests/doctables.py --write`` puts them between their markers
(``<!-- options -->`` ... ``<!-- /options -->``) on their pages. ``tests/unit/test_docs.py`` compares.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def options_table() -> str:
    """Every option of the configuration."""
    from collector.settings import describe

    return _table(("option", "default", ""), ((f"`{o.key}`", f"`{o.default}`", o.description) for o in describe()))


def destination_table() -> str:
    """Every option of a destination of ``forward``."""
    from collector.settings import describe_destination

    rows = ((f"`{o.key}`", f"`{o.default}`" if o.default else "", o.description) for o in describe_destination())
    return _table(("option", "default", ""), rows)


def webhook_table() -> str:
    """Every option of a webhook of ``notify``."""
    from collector.settings import describe_webhook

    rows = ((f"`{o.key}`", f"`{o.default}`" if o.default else "", o.description) for o in describe_webhook())
    return _table(("option", "default", ""), rows)


def metrics_table() -> str:
    """Every metric."""
    from exporters.metrics.catalogue import METRICS

    rows = (
        (f"`{m.name}`", m.kind.value, ", ".join(f"`{label}`" for label in m.labels), m.help) for m in METRICS.values()
    )
    return _table(("metric", "type", "labels", ""), rows)


def checks_table() -> str:
    """Every check that is built in, with its finding codes."""
    from checks.catalogue import available

    described = (check.info for check in available(plugins=tuple))
    return _table(
        ("check", "", "finding codes"),
        ((f"`{info.name}`", info.summary, ", ".join(f"`{code}`" for code in info.codes)) for info in described),
    )


def commands_table() -> str:
    """Every command of the command line, with the first sentence of its help."""
    import typer

    from collector.cli import app

    rows = ((f"`sidecheck {name}`", text) for name, text in _commands(typer.main.get_command(app)))
    return _table(("command", ""), rows)


def formats_table() -> str:
    """Every dataset format, with the files that it writes."""
    from exporters.dataset.formats import FORMATS

    rows = ((f"`{f.name}`", f.tool, ", ".join(f"`{file.name}`" for file in f.files)) for f in FORMATS.values())
    return _table(("`--format`", "for", "files"), rows)


def alerts_table() -> str:
    """Every alert of ``deploy/prometheus``, with how urgent it is."""
    from promql import rules

    alerts = (rule.document for rule in rules() if rule.is_alert)
    rows = ((f"`{a['alert']}`", a["labels"]["severity"], _plain(a["annotations"]["summary"])) for a in alerts)
    return _table(("alert", "severity", ""), rows)


def api_table() -> str:
    """Every path of the API's port, with the first sentence of what it says of itself."""
    from collector.receivers.feedback import feedback_router
    from collector.reloading import reload_router
    from exporters.review.routes import create_api

    anything: Any = object()  # nothing is asked for
    app = create_api(anything, forget=anything, explain=anything, draft_case=anything)
    for router in (reload_router(anything), feedback_router(anything)):
        app.include_router(router)
    paths = sorted(app.openapi()["paths"].items())
    rows = (
        (f"`{method.upper()} {path}`", " ".join(operation["description"].partition("\n\n")[0].split()))
        for path, operations in paths
        for method, operation in operations.items()
    )
    return _table(("request", ""), rows)


def capacity_table() -> str:
    """What a machine takes, by the benchmark's tables."""
    import capacity

    page = capacity.PAGE.read_text(encoding="utf-8")
    return f"{_table(('', 'measured', 'so'), capacity.rows(page))}\n\n{capacity.machine(page)}"


TABLES: Mapping[str, Callable[[], str]] = {
    "options": options_table,
    "destination": destination_table,
    "webhook": webhook_table,
    "metrics": metrics_table,
    "checks": checks_table,
    "commands": commands_table,
    "formats": formats_table,
    "alerts": alerts_table,
    "api": api_table,
    "capacity": capacity_table,
}


PAGES: Mapping[str, str] = {
    "options": "collector/README.md",
    "destination": "collector/README.md",
    "webhook": "exporters/README.md",
    "metrics": "exporters/README.md",
    "checks": "README.md",
    "commands": "collector/README.md",
    "formats": "exporters/README.md",
    "alerts": "deploy/README.md",
    "api": "exporters/README.md",
    "capacity": "deploy/README.md",
}
"""The page that each table is on."""


def block(name: str, text: str) -> str | None:
    """What stands between the markers of ``name``, ``None`` where they are not there."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", text, re.DOTALL)
    return found[1] if found else None


def filled(text: str) -> str:
    """``text`` with every table that it has markers for."""
    for name, table in TABLES.items():
        if block(name, text) is not None:
            text = put(name, text, table())
    return text


def write(page: Path) -> None:
    """Fill in the tables of a page."""
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


def put(name: str, text: str, content: str) -> str:
    """``text`` with other content between the markers of ``name``."""
    new = f"<!-- {name} -->\n{content}\n<!-- /{name} -->"
    return re.sub(rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _: new, text, flags=re.DOTALL)


def _commands(command: object, prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, one in getattr(command, "commands", {}).items():
        if getattr(one, "commands", None):
            yield from _commands(one, f"{prefix}{name} ")
        elif not one.hidden:
            yield prefix + name, one.get_short_help_str(limit=200)


def _plain(template: str) -> str:
    """A template of Prometheus with its labels' names in place of their values."""
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", template)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into their pages."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="fill the tables of the documentation in place")
    if parser.parse_args(arguments).write:
        for name in sorted(set(PAGES.values())):
            write(ROOT / name)
    else:
        sys.stdout.write("\n\n".join(f"<!-- {n} -->\n{table()}\n<!-- /{n} -->" for n, table in TABLES.items()) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
