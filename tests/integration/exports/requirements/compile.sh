#!/usr/bin/env bash
# Pin the tools' packages anew, all or those named; needs uv and npm. `make lock-exports` runs it.
set -euo pipefail
cd "$(dirname "$0")"
for file in ${*:-*.in}; do
    tool=$(basename "$file" .in)
    uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
        --python-version 3.11 "$tool.in" -o "$tool.txt"
    [ ! -d "$tool" ] || (cd "$tool" && npm install --package-lock-only --omit-lockfile-registry-resolved=true --force --ignore-scripts)
    # A lock holds names, versions and hashes; where to give money is an address.
    [ ! -d "$tool" ] || python3 - "$tool/package-lock.json" <<'PYTHON'
import json, sys
from pathlib import Path

lock = Path(sys.argv[1])
written = json.loads(lock.read_text(encoding="utf-8"))
for package in written["packages"].values():
    package.pop("funding", None)
lock.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
PYTHON
done
