"""OTLP and feedback from Kafka, as one member of a consumer group."""
