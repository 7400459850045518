"""One file per way that telemetry comes in."""
