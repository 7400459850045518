"""Tests that need a server that is not there are skipped, or fail where it is required."""

from pathlib import Path

import pytest
from externals import EXTERNALS, External, require

HERE = {"postgres": External(lambda: Path("/opt/bin"), "apt-get install postgresql")}
AWAY = {"postgres": External(lambda: None, "apt-get install postgresql")}


def test_a_server_that_is_there_is_named_by_its_folder():
    assert require("postgres", {}, HERE) == Path("/opt/bin")


def test_a_server_that_is_missing_skips_the_test_with_the_command_that_brings_it():
    with pytest.raises(pytest.skip.Exception, match="postgres is not installed: apt-get install postgresql"):
        require("postgres", {"SIDECHECK_REQUIRE": "prometheus"}, AWAY)


def test_a_server_that_is_missing_and_required_fails_the_test():
    with pytest.raises(pytest.fail.Exception, match="apt-get install postgresql"):
        require("postgres", {"SIDECHECK_REQUIRE": "prometheus, postgres"}, AWAY)


def test_every_server_can_be_looked_for_and_says_how_to_get_it():
    for external in EXTERNALS.values():
        assert external.find() is None or external.find().is_dir()
        assert external.command.startswith("apt-get install ")
