"""What ``deploy/README.md`` says of backup and restore is done: what was in the store is there again, nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from documented import blocks
from servers import CLIENT, until
from store_builders import a_record, save
from terminal import Terminal, the_app, traces_of

from exporters.store import Store

pytestmark = pytest.mark.timeout(300)
SQLITE, IN_THE_IMAGE, RESTORE, POSTGRES, _KAFKA = blocks("deploy/README.md", "console", "Backup and restore")
PYTHON_APP = blocks("README.md", "console", "Five minutes: a Python app")
ANSWERS = 10


@pytest.fixture
def terminal(require, tmp_path) -> Iterator[Terminal]:
    with Terminal(tmp_path, {"PATH": f"{require('postgres')}:{require('programs')}:/usr/bin:/bin"}) as made:
        yield made


def kept(terminal: Terminal) -> dict[str, list[str]]:
    """Traces, cases and versions that the API shows, by their ids."""
    api = f"http://{terminal.address(8321)}/api"
    cases = CLIENT.get(f"{api}/cases").raise_for_status().json()["cases"]
    versions = CLIENT.get(f"{api}/datasets").raise_for_status().json()["versions"]
    return {
        "traces": sorted(trace["traceId"] for trace in traces_of(terminal, "my-app")),
        "cases": sorted(f"{case['id']} {case['status']}" for case in cases),
        "versions": [version["version"] for version in versions],
    }


def answered(terminal: Terminal, traces: int) -> None:
    """Run the app, and wait until so many traces are judged."""
    terminal.perform(PYTHON_APP[1])
    until("all are judged", lambda: len(traces_of(terminal, "my-app")) == traces)


def backed_up(terminal: Terminal) -> str:
    """Make a backup of SQLite that nobody else may read; gives its name."""
    _, whole = terminal.perform(SQLITE)
    assert whole == "ok\n"
    name = terminal.env["BACKUP"]
    assert is_private(terminal.folder / f"{name}.db")
    return name


def is_private(file: Path) -> bool:
    return file.stat().st_mode & 0o777 == 0o600


def test_a_sqlite_store_is_what_it_was_when_the_backup_was_made(terminal):
    the_app(terminal.folder, ANSWERS)
    terminal.perform(PYTHON_APP[0])
    answered(terminal, ANSWERS)
    failing = next(t["traceId"] for t in traces_of(terminal, "my-app") if t["failing"])
    for path, body in ((f"traces/{failing}/promote", {}), ("datasets/commit", {"message": "the first"})):
        CLIENT.post(f"http://{terminal.address(8321)}/api/{path}", json={"who": "ann", **body}).raise_for_status()
    before = kept(terminal)
    assert before["versions"] == ["v1"]

    first = backed_up(terminal)
    answered(terminal, 2 * ANSWERS)
    assert backed_up(terminal) != first  # a second one beside it
    terminal.stop("sidecheck serve")

    terminal.env["BACKUP"] = first
    terminal.perform(RESTORE)
    terminal.perform(PYTHON_APP[0])
    assert kept(terminal) == before
    answered(terminal, 2 * ANSWERS)  # it takes in what comes, as before


def test_a_postgresql_store_is_what_it_was_when_the_backup_was_made(terminal, postgres_url, tmp_path):
    plain = sa.make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    terminal.texts["postgresql://sidecheck@db/sidecheck"] = plain
    name, dump, restore = POSTGRES.commands
    with Store.open(postgres_url, tmp_path) as store:
        save(store, a_record(1))
    terminal.perform_one(POSTGRES, name)
    terminal.perform_one(POSTGRES, dump)
    assert is_private(terminal.folder / f"{terminal.env['BACKUP']}.dump")
    with Store.open(postgres_url, tmp_path) as store:
        save(store, a_record(2))
    terminal.perform_one(POSTGRES, restore)
    with Store.open(postgres_url, tmp_path) as store:
        assert [store.trace(a_record(number).trace_id) is not None for number in (1, 2)] == [True, False]


def test_a_backup_in_the_image_leaves_the_volume_as_it_was(terminal):
    terminal.perform(IN_THE_IMAGE)
    _, make, take, remove = (re.findall(r"/data/\$BACKUP\.db", command) for command in IN_THE_IMAGE.commands)
    assert len(make) == len(take) == len(remove) == 1
    assert "umask 077 && " in IN_THE_IMAGE.commands[1]
    assert " exec sidecheck rm " in IN_THE_IMAGE.commands[3]
