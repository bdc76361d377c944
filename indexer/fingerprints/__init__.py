"""From pixels and audio samples to fingerprints. Knows nothing of the index or of records."""
