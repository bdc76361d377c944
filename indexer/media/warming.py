"""Loads what the decoders would load when first needed: after the lock-down no file can be opened.

It runs before the first untrusted byte and leaves no thread behind, since some of what is taken away is
taken from one thread only.
"""

import importlib

from PIL import Image

# PyAV loads it when it opens the first container.
LOADED_LATE = ("av.subtitles.stream",)


def load_decoders() -> None:
    """Imports the readers of all formats of Pillow, and the parts of PyAV."""
    # Pillow loads its other readers for the first file that none of the usual ones opens; that they are
    # loaded lets none of them run: it is told which formats to try (`images.FORMATS`).
    Image.init()
    for name in LOADED_LATE:
        importlib.import_module(name)
