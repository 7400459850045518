"""Presidio and what the usual engine reads of its tables: to import this loads them, which takes a second.

For a process that others are copied from: an engine that one of these makes then finds all that takes long done.
"""

from checks.builtin.pii.engine import PiiEngine

PiiEngine().load()
