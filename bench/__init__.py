"""The measurements that docs/quality.md and docs/performance.md quote. Tests never import them."""
