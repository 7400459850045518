"""What worker processes are copies of: a process that has loaded, once, what each of them needs.

To be imported by the fork server of ``multiprocessing`` alone, which is what the work at the end is for. That process
ends by itself once nobody is left who could ask for a copy (workers let go of that, see ``parent``): the kernel could
only tie it to the thread that started it, which may end before the front process does. Owns that process's signals;
see ``forking``.
"""

from collector.pipeline import heap, parent

parent.leave_signals()
heap.collect_less()

from collector.pipeline import judge, worker  # noqa: E402, F401 - takes long, and a signal may come meanwhile
