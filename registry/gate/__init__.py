"""Decides what a platform does with an upload, under the platform's own policy, and keeps the decision.

It knows the match answer, what the platform says of the upload, and policy packs. It must not know HTTP,
pixels or fingerprints: what matching found reaches it as facts and words.
"""
