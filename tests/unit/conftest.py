"""What the unit tests of the store, and of the line to it, share."""

import pytest
from pipeline_fakes import Line

from exporters.store import Store


@pytest.fixture
async def line(store):
    """A front with its fakes on that store, moved by hand."""
    async with Line(store) as made:
        yield made


@pytest.fixture
def lost():
    """What the store ``counted`` told of."""
    return []


@pytest.fixture
def counted(store, lost):
    """The same store, one that tells what goes before its time, and where three pieces of feedback may wait."""
    return Store(store._database, max_waiting=3, lost=lambda *what: lost.append(what))
