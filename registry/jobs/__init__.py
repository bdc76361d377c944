"""Work in the background: videos, webhooks, and describing records by another descriptor.

It knows the queue, attempts and progress, and calls the same use cases that requests call. It must not know
how a match or a registration is made.
"""
