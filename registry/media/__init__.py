"""From the bytes of an upload to what is computed of it, and what is kept of registered media.

It knows decoding, fingerprints, previews and storyboards. It must not know candidates, matches or
statements.
"""
