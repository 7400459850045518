"""A dataset in figures: how many cases there are of each kind, split, tag, check and service. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporters.dataset.case import Case

NONE = "none"
"""What a case without a split is counted under."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The number of cases, in all and by each of their traits; a case has one kind and maybe many tags."""

    cases: int = 0
    by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def summarise(cases: Iterable[Case]) -> Summary:
    """Count the cases; of each trait the most frequent values first."""
    counted: dict[str, Counter[str]] = {name: Counter() for name in ("kind", "split", "tag", "check", "service")}
    number = 0
    for case in cases:
        number += 1
        counted["kind"][case.kind.value] += 1
        counted["split"][case.split or NONE] += 1
        counted["tag"].update(set(case.tags))
        counted["check"].update(set(case.source.failed_checks))
        counted["service"][case.source.service] += 1
    return Summary(number, {name: _by_frequency(values) for name, values in counted.items()})


def _by_frequency(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
