"""Write the boards as Grafana's JSON: ``python deploy/grafana/build.py``. Needs grafana-foundation-sdk, a test tool."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import cost_and_latency
import quality
import sidecar_health
from grafana_foundation_sdk.cog.encoder import JSONEncoder

BOARDS = {
    "quality": quality.BOARD,
    "cost-and-latency": cost_and_latency.BOARD,
    "sidecar-health": sidecar_health.BOARD,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a file for each board."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    here = Path(__file__).parent / "dashboards"
    parser.add_argument("--out", type=Path, default=here, metavar="FOLDER", help="where the files go")
    folder = parser.parse_args(arguments).out
    for name, board in BOARDS.items():
        text = json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
