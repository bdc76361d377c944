"""The transparency log: entries, tiles, checkpoints, proofs, and the signature under every answer.

It knows hashes, tree sizes and the two private keys. It must not know what an entry says: records,
publishers and media are above it.
"""
