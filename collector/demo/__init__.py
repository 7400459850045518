"""``sidecheck demo``: recorded traces of real apps, sent through OTLP to a sidecar of one's own."""
