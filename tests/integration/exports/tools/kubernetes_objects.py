"""Take objects as a cluster does, in strict form: by Kubernetes' schemas, and the Prometheus operator's by its own.

A cluster drops a field that a CRD does not have without a word. So it is not enough that an object of the operator is
valid: all that was written must still be there.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate

OPERATOR = "monitoring.coreos.com/v1"


def dropped(given: Any, taken: Any, place: str) -> Iterator[str]:
    """The paths of what was given and not taken."""
    if isinstance(given, dict):
        for key, value in given.items():
            if isinstance(taken, dict) and key in taken:
                yield from dropped(value, taken[key], f"{place}.{key}")
            else:
                yield f"{place}.{key}"
    elif isinstance(given, list):
        for number, (one, other) in enumerate(zip(given, taken, strict=True)):
            yield from dropped(one, other, f"{place}[{number}]")
    elif given != taken:
        yield place


def take(each: dict[str, Any], version: str) -> None:
    if each["apiVersion"] != OPERATOR:
        kubernetes_validate.validate(each, version, strict=True)
        return
    from cloudcoil.models.prometheus_operator import v1 as operator  # takes seconds to load

    taken = getattr(operator, each["kind"]).model_validate(each)
    lost = [*dropped(each, taken.model_dump(mode="json", by_alias=True, exclude_unset=True), each["kind"])]
    assert not lost, f"there is no such field: {', '.join(lost)}"


for one in json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")):
    take(one, sys.argv[3])
Path(sys.argv[1]).write_text('"valid"', encoding="utf-8")
