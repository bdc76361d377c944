"""The index of this registry, wherever it is searched: kept in step with the fingerprint rows.

It knows rows, changes and positions, and reaches vectors and codes through `indexer.index`. It must not
know what a record means, matching or HTTP: it answers with ids and distances.
"""
