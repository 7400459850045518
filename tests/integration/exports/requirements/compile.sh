#!/usr/bin/env bash
# Pin the tools' packages anew, all or those named; needs uv and npm. `make lock-exports` runs it.
set -euo pipefail
cd "$(dirname "$0")"
for file in ${*:-*.in}; do
    tool=$(basename "$file" .in)
    uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
        --python-version 3.11 "$tool.in" -o "$tool.txt"
    [ ! -d "$tool" ] || (cd "$tool" && npm install --package-lock-only --omit-lockfile-registry-resolved=true --force --ignore-scripts)
done
