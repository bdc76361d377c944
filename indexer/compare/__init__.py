"""Compares a query with the reference it seems to come from: how they align, and what was done to it.

Knows pictures, features and faces. Must not know records, publishers or matches.
"""
