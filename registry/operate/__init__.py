"""What an operator does with a registry: set it up, and derive everything again to check it.

It knows every store. It must not change what is registered.
"""
