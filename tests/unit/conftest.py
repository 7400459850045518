"""What the store's unit tests share: an empty store on each database."""

import pytest

from exporters.store import Store


@pytest.fixture
def store(store_url, tmp_path):
    """An empty store."""
    with Store.open(store_url, tmp_path) as opened:
        yield opened
