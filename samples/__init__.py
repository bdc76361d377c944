"""Media made for tests and benchmarks, with the truth about them.

It is in no wheel; indexer, sdk and registry never import it.
"""
