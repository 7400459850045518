"""What becomes of a fault of the sidecar's own while it takes a request."""

import structlog

from collector.intake import Refusal, Refused

log = structlog.get_logger()


def own_fault(event: str, error: Exception) -> Refused:
    """Log the fault and return what the sender is told: to send again later, so that nothing is lost to a bug.

    Only the exception's type is logged: its text may hold what users and models said.
    """
    log.error(event, error=type(error).__name__)
    return Refused(Refusal.OVERLOADED, "the sidecar could not take the request now; send it again later")
