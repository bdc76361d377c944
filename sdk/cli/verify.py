"""The command `verify`: do receipts hold? It asks no registry."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from sdk.checkpoint import BadCheckpoint, parse_verifier_key
from sdk.cli.output import CHECK_FAILED, USAGE, console, fail, shown, styled
from sdk.cli.trusted_witnesses import MaxAge, Quorum, Witnesses, witness_keys
from sdk.encodings import BadEncoding, parse_object
from sdk.errors import VerificationError
from sdk.keys import BadKey, import_public_key, thumbprint
from sdk.models import LogKeys, Receipt
from sdk.verify import verify_receipt

KEY_ID = re.compile(r"[A-Za-z0-9_-]{43}")  # an RFC 7638 thumbprint


def join(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(verify)


def verify(
    receipts: Annotated[list[Path], typer.Argument(help="receipts as JSON, one or more")],
    log_key: Annotated[str | None, typer.Option(help="the log's key that you trust (vkey)")] = None,
    log_keys: Annotated[
        Path | None,
        typer.Option(help="what the registry says of its log's keys: its /v1/log/keys, saved as a file"),
    ] = None,
    publisher_key: Annotated[
        str | None, typer.Option(help="the publisher's key that you trust: its file .jwk, or its key id")
    ] = None,
    media: Annotated[Path | None, typer.Option(help="the file that one record was made for")] = None,
    witness: Witnesses = None,
    quorum: Quorum = None,
    max_age: MaxAge = None,
) -> None:
    """Check receipts offline, step by step. Exit code 3 if a step of any fails."""
    witnesses = witness_keys(witness or [], quorum, max_age)
    if media is not None and len(receipts) > 1:
        fail("--media belongs to one receipt", USAGE)
    try:
        content = media.read_bytes() if media else None
        kid = None if publisher_key is None else _key_id(publisher_key)
        notes = notes_in(log_keys) if log_keys else ()
        if log_key is not None:
            parse_verifier_key(log_key)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", USAGE)
    except BadKey as error:
        fail(f"{publisher_key}: {error}", USAGE)
    except BadCheckpoint as error:
        fail(f"--log-key: {error}", USAGE)
    failed = 0
    for file in receipts:
        if len(receipts) > 1:
            console.print(shown(file))
        try:
            verified = verify_receipt(
                _receipt_in(file),
                log_key=log_key,
                log_key_notes=notes,
                publisher_kid=kid,
                media=content,
                witnesses=witnesses,
                quorum=quorum,
                max_age_s=max_age,
            )
        except VerificationError as error:
            failed += 1
            _say_held(error.held)
            console.print(styled("red", "does not hold", f": {error}"))
            continue
        _say_held(verified.steps)
        statement = verified.statement
        console.print(
            f"{statement.label}: registered as {statement.asset_class.value} by {statement.issuer}"
        )
    if failed:
        which = "the receipt does" if len(receipts) == 1 else f"{failed} of {len(receipts)} receipts do"
        fail(f"{which} not hold", CHECK_FAILED)


def _receipt_in(file: Path) -> Receipt:
    """Raises VerificationError."""
    try:
        return Receipt.model_validate_json(file.read_bytes())
    except ValidationError:
        raise VerificationError("it is not a receipt") from None
    except OSError as error:
        raise VerificationError(f"it cannot be read: {error.strerror}") from None


def _say_held(steps: Sequence[str]) -> None:
    for step in steps:
        console.print(styled("green", "ok", f" {step}"))


def notes_in(file: Path) -> tuple[str, ...]:
    """The notes that bind the log's keys to one another. Raises OSError."""
    try:
        return tuple(committed.note for committed in LogKeys.model_validate_json(file.read_bytes()).notes)
    except ValidationError:
        fail(f"{file} is not what /v1/log/keys answers", USAGE)


def _key_id(named: str) -> str:
    """The id of a key that is named by its file or by itself. Raises BadKey, OSError."""
    if KEY_ID.fullmatch(named):
        return named
    path = Path(named)
    if not path.is_file():
        raise BadKey("neither a file nor a key id, which has 43 letters, digits, - and _")
    if path.suffix == ".pem":
        raise BadKey("a private key; the file .jwk beside it has the public half")
    try:
        return thumbprint(import_public_key(parse_object(path.read_bytes())))
    except BadEncoding as error:
        raise BadKey(f"not a public key in JWK form: {error}") from error
