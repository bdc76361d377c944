"""Finds the nearest fingerprints. It knows nothing of records and is always derived: rows are the truth."""
