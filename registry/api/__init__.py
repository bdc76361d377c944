"""HTTP: thin handlers over the use cases, one module per subject."""
