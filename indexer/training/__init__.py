"""Learns what `indexer/weights` holds, and measures how good retrieval is.

Knows pictures, networks and the comparison of pairs. Must not know the registry.
"""
