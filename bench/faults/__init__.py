"""Breaks a registry in many ways, and looks whether anything that it had answered is lost.

Nothing in the product knows of this: calls to the disk and the database are wrapped in processes that the
benchmark owns.
"""
