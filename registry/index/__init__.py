"""The index of this registry, which follows the fingerprint rows wherever it is searched.

It knows rows, changes and positions, and searches vectors and codes through `indexer.index`. It must not
know what a record means, nor matching, nor the public HTTP API: it answers with ids and distances.
"""
