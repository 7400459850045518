"""Webhooks for what people want to be told of at once; the rest is Alertmanager's job."""
