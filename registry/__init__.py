"""The service: publishers, records, the log, matching, and the pages."""

__version__ = "0.1.0"
