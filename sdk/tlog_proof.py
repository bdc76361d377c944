"""Writes and reads a receipt's proof as a `c2sp.org/tlog-proof@v1` file, which other verifiers read too."""

import base64
import re

from sdk.checkpoint import BadCheckpoint
from sdk.encodings import BadEncoding, decode_base64, parse_object

HEADER = "c2sp.org/tlog-proof@v1"
_EXTRA = re.compile(r"extra [A-Za-z0-9+/]*={0,2}", re.ASCII)  # of the log itself; ours writes none
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


def format_tlog_proof(index: int, hashes: list[bytes], checkpoint: str) -> str:
    """Formats the index, the hashes from the leaf's sibling up, and the checkpoint as it is."""
    lines = [HEADER, f"index {index}", *(base64.b64encode(digest).decode() for digest in hashes)]
    return "\n".join(lines) + "\n\n" + checkpoint


def checkpoint_in(text: str) -> str:
    """The checkpoint in a receipt, a monitor's state, a proof, or by itself. Raises BadCheckpoint."""
    if text.lstrip().startswith("{"):
        try:
            members = parse_object(text.encode())
            text = str(members.get("proof") or members["checkpoint"])
        except (BadEncoding, KeyError):
            raise BadCheckpoint("it is no receipt, no proof and no checkpoint") from None
    return parse_tlog_proof(text)[2] if text.startswith(HEADER) else text


def parse_tlog_proof(text: str) -> tuple[int, list[bytes], str]:
    """Reads what `format_tlog_proof` writes. Raises BadCheckpoint."""
    head, empty, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not empty or lines[0] != HEADER:
        raise BadCheckpoint(f"not a {HEADER} file")
    rest = lines[2:] if len(lines) > 1 and _EXTRA.fullmatch(lines[1]) else lines[1:]
    found = _INDEX.fullmatch(rest[0]) if rest else None
    if found is None:
        raise BadCheckpoint("the proof states no index")
    try:
        hashes = [decode_base64(line) for line in rest[1:]]
    except BadEncoding as error:
        raise BadCheckpoint(f"a hash of the proof is {error}") from None
    return int(found[1]), hashes, checkpoint
