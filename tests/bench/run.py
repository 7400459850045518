"""``make bench``: every line side by side in one run, as a table; as JSON and in the README where that is asked for.

Times on a shared machine mean little; ratios of what was measured in the same run, in turn, do.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # as in pytest; this file's own folder would hide the package `checks`

from bench.lines import Line, as_markdown, as_text
from doctables import PAGES, ROOT, block, put, write

PAGE = Path(__file__).with_name("README.md")
GIB = 2**30


def main(given: Sequence[str] | None = None) -> None:
    """Run the parts that were asked for."""
    from bench.parts import PARTS  # not at the top: worker processes of the pool import this module, too

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of: {', '.join(PARTS)}; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines there, too")
    parser.add_argument(
        "--table", action="store_true", help=f"write the tables into {PAGE.name} and {PAGES['capacity']}, too"
    )
    parser.add_argument("--long", action="store_true", help="with 100 k and 1 M traces; up to an hour, by its speed")
    arguments = parser.parse_args(given)
    unknown = [name for name in arguments.parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    machine, found = describe(), {}
    for name in arguments.parts or PARTS:
        began = time.monotonic()
        print(f"{name} ...", end=" ", flush=True, file=sys.stderr)
        found[name] = list(PARTS[name](arguments.long))
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"{as_text(found)}\n\n{machine}")
    if arguments.json:
        arguments.json.write_text(as_json(found, machine), encoding="utf-8")
    if arguments.table:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), found, machine), encoding="utf-8")
        write(ROOT / PAGES["capacity"])


def describe() -> str:
    """The machine, and how busy it was before the run."""
    memory = psutil.virtual_memory().total / GIB
    load, _, _ = os.getloadavg()
    return (
        f"Machine: {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; load average before the run {load:.1f}."
    )


def as_json(found: Mapping[str, Sequence[Line]], machine: str) -> str:
    """All lines as JSON."""
    parts = {name: [line.as_json() for line in lines] for name, lines in found.items()}
    return json.dumps({"machine": machine, "parts": parts}, indent=2, ensure_ascii=False) + "\n"


def with_tables(page: str, found: Mapping[str, Sequence[Line]], machine: str) -> str:
    """The page with the tables of these parts between their markers; the others stay as they are."""
    for name, lines in found.items():
        assert block(name, page) is not None, f"the page lacks <!-- {name} --> and <!-- /{name} -->"
        page = put(name, page, f"{as_markdown(lines)}\n\n{machine}")
    return page


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        told = []
    names = (line.partition(":")[2].strip() for line in told if line.startswith("model name"))
    return next(names, platform.machine())


if __name__ == "__main__":
    main()
