"""What worker processes are copies of: a process that has loaded, once, what each of them needs.

To be imported by the fork server of ``multiprocessing`` alone, which is what the work at the end is for. Owns that
process's signals and its end; see ``forking``.
"""

import signal

from collector.pipeline import heap, parent

# Service managers signal all processes at once: the front process still needs its workers then.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
parent.end_with_parent()
heap.collect_less()

from collector.pipeline import worker  # noqa: E402, F401 - takes long, and a signal may come meanwhile
