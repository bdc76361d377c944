"""Counts the frames of a GIF by its blocks, and no further than is wanted (GIF89a specification)."""

SIGNATURES = b"GIF87a", b"GIF89a"
HEADER_BYTES = 13  # signature and screen, before the colours
EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
HAS_COLOURS, SIZE_OF_COLOURS = 0x80, 0x07  # of the flags


def count_frames(payload: bytes, most: int) -> int:
    """Returns how many frames a GIF has, or `most` + 1 where it has more; 0 for anything else."""
    if payload[:6] not in SIGNATURES:
        return 0
    count = 0
    try:
        place = HEADER_BYTES + _colour_bytes(payload[10])
        while count <= most and payload[place] != TRAILER:
            kind = payload[place]
            if kind == EXTENSION:
                place = _after_blocks(payload, place + 2)
            elif kind == IMAGE:
                count += 1
                # Its place and size, its flags, its colours, the size of its codes; then blocks.
                place = _after_blocks(payload, place + 11 + _colour_bytes(payload[place + 9]))
            else:
                place += 1  # what decoders pass over
    except IndexError:
        pass  # the file breaks off
    return count


def _colour_bytes(flags: int) -> int:
    return 3 << ((flags & SIZE_OF_COLOURS) + 1) if flags & HAS_COLOURS else 0


def _after_blocks(payload: bytes, place: int) -> int:
    """Where the next thing begins, after blocks of which each is preceded by its length."""
    while length := payload[place]:
        place += 1 + length
    return place + 1
