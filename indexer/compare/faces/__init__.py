"""Faces of two aligned pictures: found, laid beside one another, and forgotten.

A face vector is biometric data. It is made while one picture is compared with one other, never stored,
never sent, and nothing here can search for one.
"""
