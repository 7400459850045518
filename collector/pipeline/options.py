"""What the pipeline is told, as plain data."""

from dataclasses import dataclass, field
from pathlib import Path

from collector.pipeline.buffer import AssemblyLimits
from exporters.dataset.case import CaseStatus
from exporters.store import CaseLimits


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """What the front process is told: limits of assembly, the memory budget in bytes, and what becomes of failures.

    ``quarantine`` is the folder of the traces that no worker survived.
    """

    assembly: AssemblyLimits
    memory_bytes: int
    case_status: CaseStatus = CaseStatus.CANDIDATE
    case_limits: CaseLimits = field(default_factory=CaseLimits)
    quarantine: Path | None = None
