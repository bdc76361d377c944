"""Where bytes and rows are kept: the database, its tables, and the blobs.

It knows connections, transactions, tables and keys of blobs. It must not know what a record means, who may
read it, or that an index exists.
"""
