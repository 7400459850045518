"""The image's own steps, executed; then what they made is started as the image starts, and judges a trace."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from dockerfile import BECOMES_USER, Image, instructions
from expectations import recording
from externals import free_port
from otlp_senders import by_http
from servers import LISTENERS, QUICK, Serving, until

pytestmark = pytest.mark.timeout(400)  # what all of them share is made within the first
ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
BROKEN = recording("opentelemetry-instrumentation-openai-v2-2.4b0__event-content/json_broken")
PORTS = {f"SIDECHECK_{name}__LISTEN": port for name, port in zip(LISTENERS, (4317, 4318, 8321, 9464), strict=True)}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    folder = Path(tempfile.mkdtemp(prefix="sidecheck-image-"))
    folder.chmod(0o755)  # the image's user has to get in
    try:
        yield Image(ROOT, folder).build(DOCKERFILE)
    finally:
        if os.geteuid():
            subprocess.run(["chmod", "-R", "u+w", str(folder)])
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def started(image, tmp_path_factory) -> Iterator[tuple[Serving, dict[str, str]]]:
    """The image's start command, and the variables that it got."""
    env = {**QUICK, **{name: f"127.0.0.1:{free_port()}" for name in PORTS}}
    log = tmp_path_factory.mktemp("image") / "log"
    with log.open("wb") as file:
        process = image.start([*image.entrypoint, *image.command], env, stdout=file, stderr=file)
    try:
        addresses = until("the image is up", lambda: servers._addresses(process, log), servers.UP_WITHIN_S)
        yield Serving(process, image.root / "data", **addresses), env
    finally:
        servers._end(process)


def health(image: Image, env: dict[str, str]) -> int:
    return image.start(image.health, env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait(30)


def test_a_trace_gets_its_verdict_out_of_the_image(started):
    server, _ = started
    by_http(server, BROKEN.spans)
    by_http(server, BROKEN.logs, "logs")
    (trace_id,) = BROKEN.trace_ids
    until("the answer is judged", lambda: server.outcomes(trace_id).get("valid_json") == "failed")


def test_the_health_check_tells_a_process_that_answers_from_one_that_does_not(image, started):
    _, env = started
    assert health(image, env) == 0
    assert health(image, {**env, "SIDECHECK_METRICS__LISTEN": f"127.0.0.1:{free_port()}"}) != 0


def test_the_health_check_finds_a_port_that_is_set_in_a_file(image, started):
    server, env = started
    file = image.root / "data" / "sidecheck.yaml"
    without = {name: value for name, value in env.items() if name != "SIDECHECK_METRICS__LISTEN"}
    for address, is_well in ((server.metrics, True), (f"127.0.0.1:{free_port()}", False)):
        file.write_text(f"metrics: {{listen: '{address}'}}")
        assert (health(image, {**without, "SIDECHECK_CONFIG": str(file)}) == 0) is is_well


def test_only_the_volume_can_be_written_to_and_only_there_something_is(image, started):
    server, _ = started
    script = f"test -w {image.root}/data && ! test -w {image.root}/opt/sidecheck && ! test -w {image.root}"
    if not BECOMES_USER and os.geteuid() == 0:  # who may write everywhere
        script = f"test -w {image.root}/data"
    assert image.start(["sh", "-c", script]).wait(30) == 0
    assert any((image.root / "data").iterdir())
    assert not list((image.root / "opt").rglob("*.db"))
    assert server.process.poll() is None


def test_the_process_belongs_to_a_user_without_rights(image, started):
    server, _ = started
    uid, gid = image.user.split(":")
    assert int(uid) >= 10_000
    assert int(gid) >= 10_000  # by number: Kubernetes refuses a name under runAsNonRoot
    if BECOMES_USER:
        assert Path(f"/proc/{server.process.pid}").stat().st_uid == int(uid)


def test_what_is_imported_is_the_image_and_no_file_of_the_data(image):
    (image.root / "data" / "collector.py").write_text("raise SystemExit(7)")
    command = ["python", "-c", "import collector, psycopg, re2, lz4; print(collector.__file__)"]
    done = image.start(command, stdout=subprocess.PIPE)
    said, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    assert said.decode().startswith(f"{image.root}/opt/sidecheck/")


def test_a_checkouts_other_files_stay_out_of_the_builders_reach(image):
    names = {path.name for path in (image.folder / "build" / "src").iterdir()}
    assert names == {"requirements", "pyproject.toml", "README.md", "LICENSE", "checks", "collector", "exporters"}
    assert not list((image.folder / "build" / "src").rglob("__pycache__"))


def test_the_exposed_ports_are_those_that_are_listened_on_by_default(image):
    assert image.exposed == sorted(PORTS.values())


def test_the_base_images_are_public_ones_by_their_usual_names():
    bases = [argument.split()[0] for name, argument in instructions(DOCKERFILE.read_text()) if name == "FROM"]
    assert bases == ["python:${PYTHON}-slim"] * 2


def test_a_stop_by_the_images_signal_is_a_clean_end(started):  # the last one: it ends what the others use
    server, _ = started
    number = dict(instructions(DOCKERFILE.read_text()))["STOPSIGNAL"]
    assert server.stop(signal.Signals[number], within_s=20) == 0
