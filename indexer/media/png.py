"""What a browser reads of a PNG: its pixels and what their colours mean, whatever the rest is like.

A decoder goes on where a chunk is damaged that it can do without (PNG, Third Edition, 13.2). Seen with
Chromium 155: texts are never looked at; a wrong checksum matters in header, palette and pixels only; of
pixels that have one, the rows before it are shown; an orientation counts before the pixels only.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CRITICAL = frozenset((b"IHDR", b"PLTE"))
# Of all others these alone change what is read here; texts (XMP among them), times and gammas do not.
SHOWN = frozenset((b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT"))
TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
MOST_PROFILE_BYTES = 4 << 20
LEAST_UNPACKED_BYTES = 4096
MOST_FILTER = 4  # the kinds of filters are 0 to 4 (PNG, 9.2)
LONG_TEXT_BYTES = 1 << 20
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# Adam7 (PNG, 8.2): first column, first row, and the distances between columns and rows of its seven passes.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# After so many of them each 4th, 2nd or every pixel of a row and of a column is there; before, too few are.
STEPS = (0, 0, 0, 4, 4, 2, 2, 1)


class DamagedHeader(Exception):
    """Nothing of this PNG can be shown."""


@dataclass
class Png:
    """The chunks that matter, each group in the order of the file."""

    header: bytes = b""  # body of IHDR
    before: list[tuple[bytes, bytes]] = field(default_factory=list)  # type and body
    pixels: list[bytes] = field(default_factory=list)  # bodies of IDAT
    after: list[tuple[bytes, bytes]] = field(default_factory=list)  # further frames of an animation
    damaged: list[str] = field(default_factory=list)  # types of those that were left out for their checksum
    is_cut: bool = True  # it breaks off, or its pixels have a wrong checksum
    text_bytes: int = 0  # of its texts, counted until they are long

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Reads a file that begins with SIGNATURE. Raises DamagedHeader."""
        png = cls()
        suspect: bytes | None = (
            None  # pixels with a wrong checksum: good if the file holds no others after them
        )
        for kind, body, is_right in _chunks(payload):
            if kind == b"IDAT" and suspect is None:
                if is_right:
                    png.pixels.append(body)
                else:
                    suspect = body
            elif kind == b"IDAT":
                suspect = b""
            elif kind == b"IEND":
                png.is_cut = suspect is not None
                break
            elif not is_right:
                png._leave_out(kind)
            else:
                png._keep(kind, body)
        png.pixels += [suspect] if suspect else []
        if len(png.header) != 13 or not png.pixels:
            raise DamagedHeader
        return png

    def _leave_out(self, kind: bytes) -> None:
        if kind in CRITICAL:
            raise DamagedHeader
        if kind in SHOWN or kind.isalpha():
            self.damaged.append(kind.decode("ascii", "replace"))

    def _keep(self, kind: bytes, body: bytes) -> None:
        if kind == b"IHDR":
            self.header = self.header or body
        elif kind == b"iCCP" and not _is_profile(body):
            return  # as in browsers, a profile that cannot be read is ignored
        elif kind in TEXTS:
            if self.text_bytes <= LONG_TEXT_BYTES:
                self.text_bytes += _text_bytes(body)
        elif kind == b"PLTE" or kind in SHOWN:
            if not self.pixels:
                self.before.append((kind, body))
            elif kind in (b"fcTL", b"fdAT"):
                self.after.append((kind, body))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over, in words."""
        kinds = ", ".join(dict.fromkeys(self.damaged))
        damaged = [f"chunks with a wrong checksum were passed over ({kinds})"] if kinds else []
        is_long = self.text_bytes > LONG_TEXT_BYTES
        return (*damaged, *(["more than a megabyte of text was passed over"] if is_long else []))

    def written(self) -> bytes:
        """Returns the file with these chunks alone, each with its right checksum."""
        chunks = [(b"IHDR", self.header), *self.before, *((b"IDAT", body) for body in self.pixels)]
        return SIGNATURE + b"".join(_chunk(*chunk) for chunk in (*chunks, *self.after, (b"IEND", b"")))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.header[:8])
        return width, height

    @property
    def is_interlaced(self) -> bool:
        """Whether it comes in seven passes, from coarse to fine."""
        return self.header[12] == 1

    def upper_rows(self) -> int:
        """Returns how many rows can be unpacked; of an interlaced one, see `step`."""
        width, height = self.size
        row_bytes, unpacked = self._row_bytes(width), 0
        for part in self._unpacked():
            first = -unpacked % row_bytes
            kinds = part[first::row_bytes]  # each row begins with the kind of its filter
            if kinds and max(kinds) > MOST_FILTER:
                damaged = next(number for number, kind in enumerate(kinds) if kind > MOST_FILTER)
                return min(height, (unpacked + first) // row_bytes + damaged)
            unpacked += len(part)
        return min(height, unpacked // row_bytes)

    def step(self) -> int:
        """Of an interlaced one: each so manieth pixel of a row and of a column is there; 0: none is."""
        left, whole = sum(map(len, self._unpacked())), 0
        width, height = self.size
        for first_column, first_row, columns, rows in PASSES:
            across, down = -(-(width - first_column) // columns), -(-(height - first_row) // rows)
            left -= max(0, down) * self._row_bytes(across) if across > 0 else 0
            if left < 0:
                break
            whole += 1
        return STEPS[whole]

    def cropped(self, rows: int) -> "Png":
        """The same with its upper rows only."""
        return replace(self, header=self.header[:4] + struct.pack(">I", rows) + self.header[8:], after=[])

    def _row_bytes(self, width: int) -> int:
        depth, colour_type = self.header[8], self.header[9]
        return 1 + -(-width * depth * CHANNELS.get(colour_type, 1) // 8)

    def _unpacked(self) -> Iterator[bytes]:
        """Yields what can be unpacked, about a row at a time: an error takes all that came with it."""
        at_once = max(LEAST_UNPACKED_BYTES, self._row_bytes(self.size[0]))
        unpacker = zlib.decompressobj()
        for body in self.pixels:
            left = body
            while left and not unpacker.eof:
                try:
                    yield unpacker.decompress(left, at_once)
                except zlib.error:
                    return
                left = unpacker.unconsumed_tail
        yield unpacker.flush()


def _chunks(payload: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yields type, body and whether the checksum is right; of the last one as much as there is."""
    at = len(SIGNATURE)
    while at + 8 <= len(payload):
        end = at + 8 + int.from_bytes(payload[at : at + 4], "big")
        kind, body = payload[at + 4 : at + 8], payload[at + 8 : end]
        checksum = int.from_bytes(payload[end : end + 4], "big")
        yield kind, body, end + 4 <= len(payload) and zlib.crc32(body, zlib.crc32(kind)) == checksum
        at = end + 4


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return len(body).to_bytes(4, "big") + kind + body + checksum.to_bytes(4, "big")


def _text_bytes(body: bytes) -> int:
    """How long a text is, unpacked where it is packed, as far as that matters."""
    keyword, _, rest = body.partition(b"\0")
    # zTXt: method, packed. iTXt: flag, method, language and translated keyword up to a zero each, packed.
    candidates = [rest[1:], rest[2:].split(b"\0", 2)[-1]]
    return len(keyword) + max(len(rest), *(_unpacked_bytes(packed) for packed in candidates))


def _unpacked_bytes(packed: bytes) -> int:
    try:
        return len(zlib.decompressobj().decompress(packed, LONG_TEXT_BYTES + 1))
    except zlib.error:
        return 0


def _is_profile(body: bytes) -> bool:
    """Whether an iCCP chunk can be unpacked, into no more than any profile needs."""
    _, _, packed = body.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed[1:], MOST_PROFILE_BYTES)
    except zlib.error:
        return False
    return unpacker.eof
