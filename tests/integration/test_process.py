"""What the settings mean for the parts of a process, read off a process that runs."""

import pytest

from collector.api_only import ApiOnly
from collector.settings import Settings


@pytest.mark.parametrize(("sync", "expected"), [("full", 2), ("normal", 1), ("off", 1)])
async def test_the_store_is_as_safe_from_a_power_cut_as_the_journal(tmp_path, sync, expected):
    nowhere = {"listen": "127.0.0.1:0"}
    settings = {"api": nowhere, "metrics": nowhere, "data_dir": str(tmp_path), "journal": {"sync": sync}}
    async with ApiOnly(Settings.model_validate(settings)) as process:
        with process.store._database.write() as connection:
            level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    assert level == expected  # https://www.sqlite.org/pragma.html#pragma_synchronous
