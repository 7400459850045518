"""Telemetry to the user's own backends, by OTLP."""
