"""Fingerprints to neighbours. Knows nothing of records, and is always derived: rows are the truth."""
