"""Measurements that docs/quality.md and docs/performance.md quote. Never part of the tests."""
