"""What the store's unit tests share: an empty store on each database."""

import pytest

from exporters.store import Store


@pytest.fixture
def store(store_url, tmp_path):
    """An empty store."""
    with Store.open(store_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def lost():
    """What the store ``counted`` told of."""
    return []


@pytest.fixture
def counted(store, lost):
    """The same store, one that tells what goes before its time, and where three pieces of feedback may wait."""
    return Store(store._database, max_waiting=3, lost=lambda *what: lost.append(what))
