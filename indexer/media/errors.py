"""Errors about uploads, each named by what is wrong with the upload.

MediaError
├── UnsupportedFormat   not one of the formats that are read, or without pictures
├── TooLarge            more bytes, pixels, frames or seconds than the limits allow
├── Undecodable         cut, corrupt or a decoder refused it
├── DecoderStopped      the child process ran out of time or memory, or broke down
└── DecoderLost         something outside ended the child process: the upload is not at fault
"""


class MediaError(Exception):
    """An upload that cannot be turned into pixels."""


class UnsupportedFormat(MediaError):
    """Not one of the formats that are read."""


class TooLarge(MediaError):
    """Over a limit on bytes, pixels, sides, frames or seconds."""


class Undecodable(MediaError):
    """Cut or corrupt."""


class DecoderStopped(MediaError):
    """The limited process was stopped while it decoded this upload."""


class DecoderLost(MediaError):
    """The limited process was ended from outside, by the system when memory is short, or by an operator."""


BY_NAME: dict[str, type[MediaError]] = {
    cls.__name__: cls for cls in (UnsupportedFormat, TooLarge, Undecodable, DecoderStopped)
}
