"""Alignment of two videos in time: which seconds show which, at what speed and in which order.

It also says what was done in time and to the audio. It knows no registry, no index and no bytes.
"""
