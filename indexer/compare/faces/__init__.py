"""Compares the faces of two aligned pictures, and forgets them.

A face vector is biometric data. It is made while one picture is compared with one other, never stored,
never sent, and nothing here can search for one.
"""
