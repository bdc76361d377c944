"""Learns what `indexer/weights` holds, and measures what retrieval is worth."""
