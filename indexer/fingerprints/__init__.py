"""Pixels to fingerprints. Knows nothing of files, the index or records."""
