"""Media in; fingerprints, neighbours and differences out.

Knows no publisher, no database and no HTTP.
"""
