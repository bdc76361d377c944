"""Asks one witness to cosign, and understands what it answers (c2sp.org/tlog-witness, `add-checkpoint`).

It knows HTTP, nothing of the database, and believes nothing that is not signed by the witness. Answers are
read no further than they need be; redirects are not followed.
"""

from dataclasses import dataclass
from time import time

import httpx2

from sdk.add_checkpoint import SIZE_MEDIA_TYPE, AddCheckpoint, BadRequestBody, parse_size
from sdk.checkpoint import BadCheckpoint, parse_checkpoint_unverified
from sdk.cosignature import CLOCKS_DIFFER_S, Cosignature, verify_cosignatures
from sdk.witness_policy import NamedWitness

MAXIMUM_ANSWER_BYTES = 16 * 1024
REFUSALS = {
    400: "it cannot read what it was sent",
    403: "it does not trust this log's key",
    404: "it does not know this log",
}


@dataclass(frozen=True)
class OtherSize:
    """The witness cosigned last at another size than the one that it was asked to go on from."""

    size: int


@dataclass(frozen=True)
class Contradicted:
    """The witness cosigned a tree that this one does not continue."""

    why: str


@dataclass(frozen=True)
class NotAnswered:
    """The witness did not cosign, for a reason that says nothing of the log."""

    why: str


Answer = Cosignature | OtherSize | Contradicted | NotAnswered


async def ask(client: httpx2.AsyncClient, witness: NamedWitness, request: AddCheckpoint) -> Answer:
    """Sends one request. Raises nothing of what comes back; how long it may take is the caller's matter."""
    try:
        async with client.stream(
            "POST", f"{(witness.url or '').rstrip('/')}/add-checkpoint", content=request.body()
        ) as response:
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAXIMUM_ANSWER_BYTES:
                    return NotAnswered("its answer is too long")
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        return NotAnswered(f"it cannot be reached ({type(error).__name__})")
    return _understood(witness, request, response, body)


def _understood(
    witness: NamedWitness, request: AddCheckpoint, response: httpx2.Response, body: bytes
) -> Answer:
    if response.status_code == 200:
        return _cosignature(witness, request.note, body)
    if response.status_code == 409:
        return _conflict(request, response.headers.get("content-type", ""), body)
    if response.status_code == 422:
        return Contradicted("it says that the tree here does not continue the one that it cosigned last")
    reason = REFUSALS.get(response.status_code, "it does not cosign now")
    return NotAnswered(f"{reason} (status {response.status_code})")


def _cosignature(witness: NamedWitness, note: str, body: bytes) -> Answer:
    try:
        found = verify_cosignatures(note + body.decode("utf-8"), [witness.key])
    except UnicodeDecodeError:
        return NotAnswered("its answer is no cosignature")
    except BadCheckpoint as error:
        return NotAnswered(f"its answer does not hold: {error}")
    if not found:
        return NotAnswered("its answer has no line of the key in the policy")
    if abs(time() - found[0].at) > CLOCKS_DIFFER_S:
        return NotAnswered(f"its clock and the one here differ: it cosigned {found[0].in_words()}")
    return found[0]


def _conflict(request: AddCheckpoint, media_type: str, body: bytes) -> Answer:
    """A 409 names the size that the witness is at; in tlog-witness@v1.0.0 it is also said of a fork."""
    resubmitted = parse_checkpoint_unverified(request.note).size == request.old_size
    another_root = Contradicted(f"it cosigned another tree of {request.old_size} entries")
    if media_type.partition(";")[0].strip().lower() != SIZE_MEDIA_TYPE:
        return another_root if resubmitted else NotAnswered("its answer 409 names no size")
    try:
        size = parse_size(body)
    except BadRequestBody:
        return NotAnswered("its answer 409 names no size")
    return another_root if size == request.old_size else OtherSize(size)
