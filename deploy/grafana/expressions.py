"""The forms of PromQL that panels use again and again. A selector is a metric with its matchers in braces.

``$__rate_interval`` and ``$__range`` are Grafana's: the shortest time that a rate makes sense over, and what is shown.
"""

OR_ZERO = " or on() vector(0)"
"""For a sum of what is zero on a good day: it gives 0 where there is no series yet, instead of "No data"."""


def rate(selector: str, *by: str) -> str:
    """How fast counters grow, a second, summed up by labels."""
    return f"sum{_by(by)}(rate({selector}[$__rate_interval]))"


def growth(selector: str, *by: str) -> str:
    """How much counters grew in the time that is shown, summed up by labels."""
    return f"sum{_by(by)}(increase({selector}[$__range]))"


def steps(selector: str, *by: str) -> str:
    """How much counters grew from point to point of a graph: whole events rather than fractions a second."""
    return f"sum{_by(by)}(increase({selector}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """One expression over another."""
    return f"{part} / {whole}"


def quantile(q: float, selector: str, *by: str) -> str:
    """A quantile of a histogram, whose ``_bucket`` the selector names, by labels."""
    return f"histogram_quantile({q}, {rate(selector, *by, 'le')})"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)}) " if labels else " "
