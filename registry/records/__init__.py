"""Who registers, and what was registered: publishers and their keys, signed statements, records, receipts.

It knows signatures, keys and their validity, and reads records for others. It must not know pictures or
fingerprints, and it registers nothing: that is `publish`.
"""
