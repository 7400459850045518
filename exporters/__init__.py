"""The way out: metrics, the store, datasets, the API."""
