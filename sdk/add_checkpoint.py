"""The request `add-checkpoint` and the size that answers it, for both sides (c2sp.org/tlog-witness).

A log sends a witness its newest checkpoint, with the proof that it extends the tree of `old_size` entries
that the witness saw last. Text only: what follows from it is `sdk.witness`'s and the log's matter.
"""

import base64
import re
from dataclasses import dataclass

from sdk.checkpoint import MAXIMUM_NOTE_BYTES, MAXIMUM_SIZE
from sdk.encodings import BadEncoding, decode_base64
from sdk.errors import VerificationError
from sdk.merkle import HASH_SIZE

MAXIMUM_PROOF_LINES = 63
# The note, a line of base64 for each hash, and what remains: the first line and the empty one.
MAXIMUM_REQUEST_BYTES = MAXIMUM_NOTE_BYTES + MAXIMUM_PROOF_LINES * 45 + 64
SIZE_MEDIA_TYPE = "text/x.tlog.size"
_OLD_SIZE = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n", re.ASCII)


class BadRequestBody(VerificationError):
    """The body is no `add-checkpoint` request, or the answer no size."""


@dataclass(frozen=True)
class AddCheckpoint:
    """What a log sends to a witness."""

    old_size: int
    proof: tuple[bytes, ...]  # of 32 bytes each, RFC 9162, section 2.1.4
    note: str  # the signed checkpoint, as it is

    def body(self) -> bytes:
        """Returns the request's body."""
        hashes = (base64.b64encode(digest).decode() for digest in self.proof)
        return "\n".join((f"old {self.old_size}", *hashes, "", self.note)).encode()


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Reads a body as it must be written; the note in it is not looked at. Raises BadRequestBody."""
    if len(body) > MAXIMUM_REQUEST_BYTES:
        raise BadRequestBody(f"more than {MAXIMUM_REQUEST_BYTES} bytes")
    try:
        head, empty, note = body.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise BadRequestBody("not UTF-8") from None
    first, *lines = head.split("\n")
    found = _OLD_SIZE.fullmatch(first)
    if not empty or found is None or int(found[1]) > MAXIMUM_SIZE:
        raise BadRequestBody("it begins with `old` and a size, then hashes and an empty line")
    if len(lines) > MAXIMUM_PROOF_LINES:
        raise BadRequestBody(f"a proof has at most {MAXIMUM_PROOF_LINES} hashes")
    try:
        proof = tuple(decode_base64(line) for line in lines)
    except BadEncoding as error:
        raise BadRequestBody(f"a hash of the proof is {error}") from None
    if any(len(digest) != HASH_SIZE for digest in proof):
        raise BadRequestBody(f"every hash of a proof has {HASH_SIZE} bytes")
    return AddCheckpoint(int(found[1]), proof, note)


def parse_size(body: bytes) -> int:
    """Reads the size that a witness is at, out of its answer 409. Raises BadRequestBody."""
    found = _SIZE.fullmatch(body.decode("ascii", errors="replace"))
    if found is None or int(found[1]) > MAXIMUM_SIZE:
        raise BadRequestBody("not a size and a line feed")
    return int(found[1])
