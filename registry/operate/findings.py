"""What the steps of an audit have in common: what they yield, and how many rows are held at a time."""

from collections.abc import Iterator

STREAM_ROWS = 1000
Findings = Iterator[tuple[str, str]]  # kind and sentence of each difference
