"""The commands `keygen` and `enrol`: who signs, and with what."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from sdk.cli.connection import ApiKey, Home, Json, Url, connect, say_new
from sdk.cli.output import console, fail, print_json
from sdk.encodings import BadEncoding, parse_object
from sdk.flaws import first_flaw_in_words
from sdk.keys import (
    BadKey,
    generate_key,
    import_public_key,
    load_private_key,
    public_jwk,
    save_private_key,
    thumbprint,
)
from sdk.models import IssuedApiKey, NewApiKey, NewPublisher, Publisher, Role, Scope
from sdk.possession import prove_possession
from sdk.shown_text import as_name
from sdk.signers import add_signing_key

DEFAULT_SCOPES = {
    Role.PUBLISHER: (Scope.REGISTER, Scope.MATCH),
    Role.PLATFORM: (
        Scope.MATCH,
        Scope.GATE,
        Scope.READ_DECISIONS,
        Scope.REVIEW_DECISIONS,
        Scope.WRITE_POLICIES,
        Scope.ACTIVATE_POLICIES,
    ),
    Role.RESEARCHER: (Scope.REGISTER, Scope.MATCH, Scope.PUBLISH_FAKE, Scope.EVIDENCE),
    Role.REVIEWER: (Scope.MATCH, Scope.REVIEW, Scope.EVIDENCE),
    Role.OPERATOR: tuple(Scope),
}
SIGNING_ROLES = (Role.PUBLISHER, Role.RESEARCHER)


def join(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(keygen)
    app.command()(enrol)


def keygen(
    out: Annotated[Path, typer.Argument(help="file for the private key, must not exist")],
    name: Annotated[str, typer.Option(help="name that the organisation is to be enrolled with")],
) -> None:
    """Make an ES256 signing key, and beside it its public half, signed to be yours, for a registry."""
    key, public = generate_key(), out.with_suffix(".jwk")
    try:
        signed = {**public_jwk(key), "proof": prove_possession(key, as_name(name))}
        save_private_key(key, out)
        public.write_text(json.dumps(signed, indent=2) + "\n")
    except ValueError as error:
        raise typer.BadParameter(f"--name {error}") from None
    except FileExistsError:
        fail(f"{out} exists; a key is never overwritten", 2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", 2)
    console.print(f"{out}: keep it secret. Key id {thumbprint(key)}")
    console.print(f"{public}: its public half, for whoever enrols you within 30 days")


def enrol(
    name: Annotated[str, typer.Option(help="name of the organisation")],
    contact: Annotated[str, typer.Option(help="e-mail address or web page, not published")],
    role: Annotated[Role, typer.Option(help="what it is here for")] = Role.PUBLISHER,
    did: Annotated[str | None, typer.Option(help="did:web or did:key of the organisation")] = None,
    manage_keys: Annotated[
        bool, typer.Option(help="let the API key add, rotate and revoke the organisation's signing keys")
    ] = False,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="what the API key may do, once for each; else what the role needs"),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(help="file .jwk that `keygen --name` wrote, of somebody who keeps the other half"),
    ] = None,
    sign_with: Annotated[Path | None, typer.Option(help="private key; made in --home when missing")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Enrol an organisation, its signing key, and an API key (needs the scope `admin`)."""
    if url and role in SIGNING_ROLES and not (public_key or sign_with):
        raise typer.BadParameter("give --public-key (or --sign-with): make a key with `trueprint keygen`")
    # Read first: a file that holds no key must not leave an organisation without one behind.
    public = _read_public_key(public_key) if public_key else None
    private = load_private_key(sign_with) if sign_with is not None else None
    try:
        new = NewPublisher(name=name, contact=contact, role=role, did=did)
    except ValidationError as error:
        raise typer.BadParameter(first_flaw_in_words(error.errors())) from None
    scopes = (*(scope or DEFAULT_SCOPES[role]), *((Scope.MANAGE_KEYS,) if manage_keys else ()))
    with connect(url, api_key, home, if_new=say_new) as client:
        publisher = client.enrol(new)
        if public is not None:
            client.add_key(publisher.id, *public)
        elif role in SIGNING_ROLES and home is not None:
            add_signing_key(client, publisher, home, sign_with)
        elif role in SIGNING_ROLES and private is not None:
            client.add_key(publisher.id, public_jwk(private), prove_possession(private, publisher.id))
        issued = client.issue_api_key(NewApiKey(publisher=publisher.id, scopes=scopes))
    if as_json:
        print_json({**publisher.model_dump(mode="json"), "api_key": issued.secret})
    else:
        _show(publisher, issued)


def _read_public_key(path: Path) -> tuple[dict[str, str], str]:
    """The public key in a file of `keygen`, and the proof beside it. Raises BadKey."""
    try:
        written = parse_object(path.read_bytes())
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}") from error
    except BadEncoding as error:
        raise BadKey(f"{path} does not hold a public key in JWK form") from error
    proof = written.pop("proof", None)
    if not isinstance(proof, str):
        raise BadKey(f"{path} does not say whose the key is: make it with `trueprint keygen --name`")
    return public_jwk(import_public_key(written)), proof


def _show(publisher: Publisher, issued: IssuedApiKey) -> None:
    console.print(f"Enrolled {publisher.name} as {publisher.role}, issuer {publisher.issuer}")
    console.print(f"API key, shown this once: {issued.secret}")
    console.print(f"It may: {', '.join(issued.scopes)}")
