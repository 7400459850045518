"""What the sidecar acknowledged: an append-only file, on the disk before the next request goes out.

The sidecar may die at any moment, and so may the test: what stands here was promised, whatever happens afterwards.
"""

import json
import os
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path


class Ledger:
    """Acknowledged spans by trace. Safe from many threads; reads what an earlier run left in the file.

    Attributes:
        attempted: Every span that was ever sent, acknowledged or not, by trace id. In memory only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.attempted: dict[str, set[str]] = defaultdict(set)
        self._acknowledged: dict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        for spans in _lines(path):
            self._add(spans)
        self._file = path.open("ab", buffering=0)

    def attempt(self, spans: Mapping[str, Sequence[str]]) -> None:
        """Note spans (ids by trace id, both hex) as about to be sent."""
        with self._lock:
            for trace_id, span_ids in spans.items():
                self.attempted[trace_id].update(span_ids)

    def acknowledge(self, number: int, spans: Mapping[str, Sequence[str]]) -> None:
        """Note the spans of request ``number`` as acknowledged; on the disk when this returns."""
        line = json.dumps({"number": number, "spans": {key: list(ids) for key, ids in spans.items()}})
        with self._lock:
            self._file.write(line.encode() + b"\n")
            self._add(spans)
        os.fsync(self._file.fileno())

    def traces(self) -> dict[str, set[str]]:
        """The acknowledged span ids by trace id."""
        with self._lock:
            return {trace_id: set(span_ids) for trace_id, span_ids in self._acknowledged.items()}

    @property
    def span_count(self) -> int:
        """How many spans were acknowledged, each counted once."""
        with self._lock:
            return sum(map(len, self._acknowledged.values()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _add(self, spans: Mapping[str, Sequence[str]]) -> None:
        for trace_id, span_ids in spans.items():
            self._acknowledged[trace_id].update(span_ids)


def _lines(path: Path) -> list[dict[str, list[str]]]:
    """The whole lines of the file: the last one may be torn, and was not acted upon then."""
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line)["spans"] for line in whole.splitlines()]
