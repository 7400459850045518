"""The environment of an eval tool is made once and whole; where it cannot be made, the test that needs it says how."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import exports_env
import pytest


@pytest.fixture
def requirements(tmp_path, monkeypatch):
    """A tool that needs no package, and one that there is none of."""
    monkeypatch.setattr(exports_env, "REQUIREMENTS", tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "odd.txt").write_text("/nowhere/odd-1.0-py3-none-any.whl --hash=sha256:00\n")
    return tmp_path


@pytest.fixture
def env(tmp_path):
    """Variables that put the cache into a folder of the test's own; the test's own pip stands for uv."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    refuse = "grep -q odd \"$8\" && echo 'no such file' >&2 && exit 1"
    uv.write_text(f"#!/bin/sh\n{refuse}\necho made >> {tmp_path}/made\nexit 0\n")
    uv.chmod(0o755)
    return {"PATH": f"{uv.parent}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.mark.usefixtures("requirements")
def test_an_environment_is_made_once_and_found_again(env):
    python = exports_env.environment("empty", env)
    assert subprocess.run([python, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout == "42\n"
    made = python.parent.stat().st_ino
    assert exports_env.environment("empty", env).parent.stat().st_ino == made
    assert len(list((python.parents[2]).iterdir())) == 1


@pytest.mark.usefixtures("requirements")
def test_an_environment_that_several_need_at_once_is_made_by_one(env, tmp_path):
    with ThreadPoolExecutor() as pool:
        assert len({*pool.map(lambda _: exports_env.environment("empty", env), range(3))}) == 1
    assert (tmp_path / "made").read_text() == "made\n"


def test_other_requirements_are_another_environment(requirements, env):
    before = exports_env.environment("empty", env)
    (requirements / "empty.txt").write_text("# more\n")
    assert exports_env.environment("empty", env) != before


@pytest.mark.usefixtures("requirements")
def test_an_environment_that_cannot_be_made_skips_the_test_with_the_command_and_leaves_nothing(env, tmp_path):
    with pytest.raises(pytest.skip.Exception, match=r"no such file.*python tests/exports_env.py odd"):
        exports_env.environment("odd", env)
    assert list((tmp_path / "cache" / "sidecheck-tests").iterdir()) == []


@pytest.mark.usefixtures("requirements")
def test_an_environment_that_is_required_fails_the_test(env):
    with pytest.raises(pytest.fail.Exception, match="exports_env"):
        exports_env.environment("odd", {**env, "SIDECHECK_REQUIRE": "postgres,odd"})


def test_the_lists_of_packages_are_pinned_and_name_no_index():
    for file in exports_env.REQUIREMENTS.rglob("*"):
        if file.suffix in (".txt", ".json"):
            assert "://" not in file.read_text() or file.name == "package-lock.json", file
    assert "resolved" not in (exports_env.REQUIREMENTS / "promptfoo" / "package-lock.json").read_text()
