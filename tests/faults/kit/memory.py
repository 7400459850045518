"""How much memory a sidecar takes."""

from contextlib import AbstractContextManager

from faults.kit.sidecar import Sidecar
from peaks import peak

EVERY_S = 0.1


def peak_memory(sidecar: Sidecar) -> AbstractContextManager[list[float]]:
    """The highest resident memory of front process and workers while the block runs, as the only item of a list."""
    return peak(sidecar.rss_bytes, EVERY_S)
