"""What the fault tests share: the table of what each fault cost, and a sidecar for those that do not end it."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.kit.disk import MIB, small_disk
from faults.kit.scale import short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.table import Table

PAGE = Path(__file__).with_name("README.md")
DISK = short_or_long(64 * MIB, 256 * MIB)
_table = Table()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every fault test measures something."""
    for item in items:
        if Path(item.path).parent == PAGE.parent:
            item.add_marker("alone")


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """A sidecar for the whole session, its data on a small disk where one can be mounted. Take ``shared`` instead."""
    data = tmp_path_factory.mktemp("shared") / "data"
    with small_disk(data, DISK), Sidecar(data, **LIGHT) as started:
        yield started


@pytest.fixture
def shared(lasting: Sidecar) -> Sidecar:
    """A running sidecar that holds what other tests sent; compare with ``alone=False``, and take runs of your own."""
    if not lasting.is_running:
        lasting.start()
    return lasting


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """Where a fault test reports what the fault cost: ``table.add(...)``, before it asserts."""
    return _table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table; with ``SIDECHECK_SOAK_TABLE=1`` and no failure, write it into the README too."""
    if not len(_table):
        return
    terminalreporter.section("faults")
    terminalreporter.write(_table.as_markdown())
    if os.environ.get("SIDECHECK_SOAK_TABLE") and not terminalreporter.stats.get("failed"):
        _table.write_to(
            PAGE, {"Machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"}
        )
