"""Untrusted bytes to checked pixels. Knows nothing of fingerprints."""
