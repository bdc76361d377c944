"""The index on a GPU: rows in pre-allocated device memory, scanned exactly."""
