"""Which files of the ISO base media format are pictures: HEIC and AVIF share their boxes with MP4.

ISO/IEC 14496-12, 4.3: a file's first box names one major brand and the brands that it is compatible with.
Writers choose the major one freely; what the file can be read as stands in all of them together.
"""

HEIC, AVIF = b"heic", b"avif"
# ISO/IEC 23008-12 (HEIC, and what it is made of), 23000-22 (MIAF), AV1 Image File Format 1.1.
HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
AVIF_BRANDS = frozenset((b"avif", b"avis", b"avio", b"MA1A", b"MA1B"))
GENERAL_BRANDS = frozenset((b"mif1", b"mif2", b"msf1", b"miaf", b"MiHA", b"MiHB", b"MiHE", b"1pic"))
SEQUENCE_BRANDS = frozenset((b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"))
MOST_FTYP_BYTES = 1024
MOST_BOXES = 64  # looked at in search of one that comes near the front


def brands_of(payload: bytes) -> tuple[bytes, ...]:
    """The major brand and the compatible ones; empty: the file does not begin with a box of them."""
    size = int.from_bytes(payload[:4], "big")
    if payload[4:8] != b"ftyp" or not 16 <= size <= min(MOST_FTYP_BYTES, len(payload)):
        return ()
    body = payload[8:size]
    return (body[:4], *(body[at : at + 4] for at in range(8, len(body) - 3, 4)))


def picture_brand(payload: bytes) -> bytes | None:
    """`heic` or `avif` where the brands are those of pictures; None: a video, or another file."""
    brands = set(brands_of(payload))
    if brands & (SEQUENCE_BRANDS | GENERAL_BRANDS) and not _has_items(payload):
        return None  # all that it has is a track, as a video
    if brands & AVIF_BRANDS and not brands & HEIC_BRANDS:
        return AVIF
    return HEIC if brands & (HEIC_BRANDS | AVIF_BRANDS | GENERAL_BRANDS) else None


def with_plain_brand(payload: bytes) -> bytes:
    """The same file under the major brand that decoders know it by; what is no such picture stays as it is.

    They look at the major brand alone, and take a HEIC with another one for nothing that they read.
    """
    brand = picture_brand(payload)
    if brand is None:
        return payload
    if brand == AVIF and b"avis" in brands_of(payload):
        brand = b"avis"
    return payload if payload[8:12] == brand else payload[:8] + brand + payload[12:]


def _has_items(payload: bytes) -> bool:
    """Whether a box `meta` stands among the outermost: still pictures are items in it."""
    at = 0
    for _ in range(MOST_BOXES):
        size = int.from_bytes(payload[at : at + 4], "big")
        if payload[at + 4 : at + 8] == b"meta":
            return True
        if size == 1:
            size = int.from_bytes(payload[at + 8 : at + 16], "big")
        if size < 8:
            return False
        at += size
    return False
