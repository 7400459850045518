"""Verdicts as Prometheus metrics."""
