"""The JSON API, and later the review page."""
