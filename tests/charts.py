"""Charts, rendered by Helm: that in ``deploy/helm``, and the one of its README, which has it as a dependency."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import go_tools
import yaml
from doctables import ROOT
from documented import blocks
from elsewhere import ELSEWHERE
from kube import KUBERNETES

CHART = ROOT / "deploy" / "helm" / "sidecheck"
_FILE = re.compile(r"```yaml\n# (\S+)\n(.*?)```", re.DOTALL)


def helm(*arguments: str | Path) -> str:
    command = [go_tools.program("helm"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(chart: Path, folder: Path, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    text = helm("template", "judge", chart, "--kube-version", KUBERNETES, "--values", file)
    return [each for each in yaml.safe_load_all(text) if each]


def files() -> Mapping[str, str]:
    """The files that the README shows: the blocks that have a name in their first line."""
    return dict(_FILE.findall((CHART / "README.md").read_text()))


def shop(folder: Path) -> Path:
    """The chart that the README shows, made as it says: this one lies beside it and is fetched by Helm."""
    for name, text in files().items():
        file = folder / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        head = "apiVersion: v2\nname: shop\nversion: 1.0.0\n" if name == "Chart.yaml" else ""
        file.write_text(head + text)
    shutil.copytree(CHART, folder / "sidecheck")
    (block,) = blocks("deploy/helm/sidecheck/README.md", "console", "A sidecar in your own pods")
    for command in block.commands:
        program, *words = shlex.split(command)
        problem = ELSEWHERE[program].look(words, folder)
        assert problem is None, f"{block}: {command}: {problem}"
    return folder / "shop"
