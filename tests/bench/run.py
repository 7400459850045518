"""``make bench``: every line side by side in one run, as a table, and as JSON where ``--json FILE`` says.

Times on a shared machine mean little; the ratios to the floor and to stock Presidio, measured in the same run, do.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # as in pytest; this file's own folder would hide the package `checks`

from bench import checks, endtoend, pii

PARTS: dict[str, Callable[[], Sequence[dict[str, Any]]]] = {
    "end to end": endtoend.rows,
    "checks": checks.rows,
    "pii": pii.rows,
}


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of: {', '.join(PARTS)}; all by default")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    arguments = parser.parse_args()
    found = {name: list(PARTS[name]()) for name in arguments.parts or PARTS}
    for name, rows in found.items():
        print(f"\n{name}")
        for row in rows:
            print("  " + "  ".join(f"{key}: {_short(value)}" for key, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _short(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
