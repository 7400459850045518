"""The memory limit of the container, from files as the kernel writes them."""

from pathlib import Path

import pytest

from collector.cgroup import OWN_BYTES, WORKER_LEAST, affordable, for_a_worker, memory_limit

MIB = 2**20
UNLIMITED_V1 = 9223372036854771712


@pytest.fixture
def limit(tmp_path):
    """The limit that is found where the kernel says this: the process's cgroups, and files by their path."""

    def limit(own: str, files: dict[str, object]) -> int | None:
        (tmp_path / "self").write_text(own)
        for name, content in files.items():
            path = tmp_path / "mount" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
        return memory_limit(tmp_path / "self", tmp_path / "mount")

    return limit


def test_version_2_in_a_container(limit):
    assert limit("0::/\n", {"memory.max": 512 * MIB}) == 512 * MIB


def test_version_2_takes_the_smallest_of_all_groups_around(limit):
    files = {"pods/memory.max": 300, "pods/one/memory.max": "max", "pods/one/app/memory.max": 400, "memory.max": 900}
    assert limit("0::/pods/one/app\n", files) == 300


def test_version_2_without_a_limit(limit):
    assert limit("0::/user.slice\n", {"user.slice/memory.max": "max"}) is None


def test_version_1(limit):
    own = "12:pids:/a\n5:cpu,cpuacct:/a\n4:memory:/docker/abc\n0::/\n"
    assert limit(own, {"memory/docker/abc/memory.limit_in_bytes": 64 * MIB}) == 64 * MIB


def test_version_1_in_a_container_that_sees_its_own_part_only(limit):
    assert limit("4:memory:/docker/abc\n", {"memory/memory.limit_in_bytes": 64 * MIB}) == 64 * MIB


def test_version_1_without_a_limit(limit):
    assert limit("4:memory:/\n", {"memory/memory.limit_in_bytes": UNLIMITED_V1}) is None


@pytest.mark.parametrize("own", ["", "nonsense", "0::", "4:memory", "0::/../../etc\n"])
@pytest.mark.parametrize("content", ["", "-1", "lots", "0", "9" * 500])
def test_files_that_say_nothing_sensible_mean_no_limit(limit, own, content):
    assert limit(own, {"memory.max": content, "memory/memory.limit_in_bytes": content}) is None


def test_without_the_files_there_is_no_limit():
    assert memory_limit(Path("/nowhere/self"), Path("/nowhere")) is None


def test_telemetry_may_take_half_of_the_limit():
    assert affordable(512 * MIB, 256 * MIB) == 128 * MIB


def test_a_budget_that_fits_is_not_touched():
    assert affordable(100 * MIB, 256 * MIB) == 100 * MIB
    assert affordable(100 * MIB, None) == 100 * MIB


def test_without_a_limit_a_worker_may_take_what_is_usual():
    assert for_a_worker(1024 * MIB, None, 512 * MIB, 8) == 1024 * MIB


def test_workers_share_what_telemetry_and_the_processes_themselves_leave():
    left = 4096 * MIB - 512 * MIB - 5 * OWN_BYTES
    assert for_a_worker(1024 * MIB, 4096 * MIB, 512 * MIB, 4) == left // 4


def test_a_worker_gets_no_more_than_usual_in_a_large_container():
    assert for_a_worker(1024 * MIB, 64 * 1024 * MIB, 512 * MIB, 4) == 1024 * MIB


def test_a_worker_gets_what_it_cannot_do_without_in_a_tiny_container():
    assert for_a_worker(1024 * MIB, 512 * MIB, 256 * MIB, 4) == WORKER_LEAST
