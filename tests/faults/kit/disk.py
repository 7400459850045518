"""Databases that somebody else locks, and disks that are full."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

MIB = 1 << 20


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the write lock of an SQLite file from a connection of the test's own."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Mount a file system of ``size`` bytes at ``folder``; whether that could be done (it takes root, on Linux)."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, timeout=30, check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Fill up the file system of ``folder`` to its last byte."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for chunk in (b"\0" * MIB, b"\0" * 4096, b"\0"):
            while _taken(file.write, chunk):
                pass
    try:
        yield
    finally:
        ballast.unlink()


def _taken(write, chunk: bytes) -> bool:
    try:
        return write(chunk) == len(chunk)
    except OSError:
        return False
