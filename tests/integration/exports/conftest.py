"""What the tests of the exports have in common: time, since the first one that needs a tool makes its environment."""

import pytest

MINUTES = 15


def pytest_collection_modifyitems(items):
    for item in items:
        if "integration/exports" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(MINUTES * 60))
