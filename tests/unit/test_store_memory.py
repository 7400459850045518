"""What the store holds on to in memory while nobody asks it anything."""

import platform
import subprocess
import sys

import pytest

from exporters.store.engine import READER_KIB

KIB = 1 << 10
THREE_READERS = """
import ctypes
import sys
from contextlib import ExitStack
from pathlib import Path

from exporters.store.engine import Database, url_of


class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks in_use".split()]


used = ctypes.CDLL(None).mallinfo2
used.restype = Info

database = Database(url_of(None, Path(sys.argv[1])))
with database.write() as connection:
    connection.exec_driver_sql("CREATE TABLE pages (body BLOB)")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)"
    connection.exec_driver_sql(f"{numbers} INSERT INTO pages SELECT zeroblob(4000) FROM n")


def read_at_once(readers):
    with ExitStack() as stack:
        for connection in [stack.enter_context(database.read()) for _ in range(readers)]:
            connection.exec_driver_sql("SELECT sum(length(body)) FROM pages").scalar_one()
        during = used().in_use
    return during


read_at_once(1)
before = used().in_use
print(read_at_once(3) - before, used().in_use - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do not tell how much is in use")
def test_readers_that_a_busy_moment_needed_let_go_of_the_pages_that_they_read(tmp_path):
    done = subprocess.run([sys.executable, "-c", THREE_READERS, tmp_path], capture_output=True, text=True, check=True)
    during, after = map(int, done.stdout.split())
    assert during > 2 * READER_KIB * KIB  # else nothing was there to let go of
    assert after < READER_KIB * KIB
