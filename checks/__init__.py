"""The core of sidecheck: what a trace is, what a check is, and how a verdict comes about.

Pure: nothing in here reads a file, a clock, the network or the environment.
"""
