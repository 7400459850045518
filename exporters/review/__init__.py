"""The JSON API and the pages for people."""
