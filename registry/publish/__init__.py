"""What changes what is registered: registration, declared sources, disputes, withdrawal, erasure.

It knows statements, uploads and matches, and writes rows and log entries in one transaction. It must not
know HTTP or the queue.
"""
