"""Decoding of untrusted bytes to checked pixels and audio samples. Knows nothing of fingerprints."""
