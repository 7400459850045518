"""OTLP and feedback in, Kafka out: for apps without a Collector that feed a group of sidecars."""
