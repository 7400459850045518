"""Failing traces as regression cases, and cases as files that eval tools load."""
