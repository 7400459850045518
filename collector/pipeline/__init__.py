"""The way of a trace from its first span to its verdict, one module a step."""
