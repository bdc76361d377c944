"""What somebody who follows a log remembers of it, as a file: its key, the last checkpoint, the tree."""

import base64
import json
from pathlib import Path

from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_verifier_key, verify_checkpoint
from sdk.compact_range import CompactRange
from sdk.durable_files import write_durably
from sdk.encodings import BadEncoding, decode_base64, parse_object
from sdk.errors import SdkError
from sdk.log_monitor import Followed
from sdk.merkle import BadProof


class BadState(SdkError):
    """The file is damaged, or is something else."""


def save_state(file: Path, key: VerifierKey, followed: Followed) -> None:
    """Replaces the file, durably. Raises OSError."""
    state = {
        "logKey": key.text(),
        "checkpoint": followed.note,
        "subtrees": [base64.b64encode(digest).decode() for digest in followed.tree.hashes],
    }
    write_durably(file, json.dumps(state, indent=1, ensure_ascii=False).encode() + b"\n")


def load_state(file: Path) -> tuple[VerifierKey, Followed] | None:
    """Reads the file; None where there is none. Raises BadState, OSError."""
    try:
        state = parse_object(file.read_bytes())
        key = parse_verifier_key(state["logKey"])
        checkpoint = verify_checkpoint(state["checkpoint"], key)
        tree = CompactRange(checkpoint.size, [decode_base64(digest) for digest in state["subtrees"]])
    except FileNotFoundError:
        return None
    except (BadCheckpoint, BadEncoding, BadProof, KeyError, TypeError, AttributeError):
        raise BadState(
            f"{file} is not what was remembered of a log: restore it, or use another folder"
        ) from None
    if tree.root() != checkpoint.root:
        raise BadState(f"{file} is damaged: its tree is not the one of its checkpoint")
    return key, Followed(state["checkpoint"], tree)
