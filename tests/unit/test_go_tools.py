"""A program of Go is built once, however many ask for it, and the build waits for nobody that waits for it."""

import os
import sys
import threading

import go_tools

GO = """#!{python}
import fcntl, sys
from pathlib import Path

with open("go.mod") as held:  # as `go` does, which would wait here for ever
    fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
built = Path(sys.argv[sys.argv.index("-o") + 1])
with open({log!r}, "a") as log:
    log.write("built\\n")
built.write_text("a program")
"""


def test_a_program_is_built_once_while_go_holds_its_own_files(tmp_path, monkeypatch):
    log = tmp_path / "log"
    modules = tmp_path / "modules"
    (modules / "helm").mkdir(parents=True)
    (modules / "helm" / "go.mod").write_text("module example.com/helm\n")
    monkeypatch.setattr(go_tools, "MODULES", modules)
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO.format(python=sys.executable, log=str(log)))
    go.chmod(0o755)
    env = {**os.environ, "PATH": str(go.parent), "HOME": str(tmp_path), "SIDECHECK_REQUIRE": "helm"}
    env.pop("XDG_CACHE_HOME", None)
    places = []
    asking = [threading.Thread(target=lambda: places.append(go_tools.program("helm", env))) for _ in range(3)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert [place.read_text() for place in places] == ["a program"] * 3
    assert log.read_text() == "built\n"
