"""The commands `keygen` and `enrol`: who signs, and with what."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.connection import ApiKey, Home, Json, Url, connect, say_new
from sdk.cli.output import console, fail, print_json
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
from sdk.signers import add_signing_key

DEFAULT_SCOPES = {
    Role.PUBLISHER: (Scope.REGISTER, Scope.MATCH),
    Role.PLATFORM: (Scope.MATCH,),
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
) -> None:
    """Make an ES256 signing key, and beside it the public half that a registry is given."""
    key, public = generate_key(), out.with_suffix(".jwk")
    try:
        save_private_key(key, out)
        public.write_text(json.dumps(public_jwk(key), indent=2) + "\n")
    except FileExistsError:
        fail(f"{out} exists; a key is never overwritten", 2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", 2)
    console.print(f"{out}: keep it secret. Key id {thumbprint(key)}")
    console.print(f"{public}: its public half, for whoever enrols you")


def enrol(
    name: Annotated[str, typer.Option(help="name of the organisation")],
    contact: Annotated[str, typer.Option(help="e-mail address or web page, not published")],
    role: Annotated[Role, typer.Option(help="what it is here for")] = Role.PUBLISHER,
    did: Annotated[str | None, typer.Option(help="did:web of the organisation")] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(help="public key that `keygen` wrote, of somebody who keeps the other half"),
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
    jwk = _read_public_key(public_key) if public_key else None
    if sign_with is not None:
        load_private_key(sign_with)
    with connect(url, api_key, home, if_new=say_new) as client:
        publisher = client.enrol(NewPublisher(name=name, contact=contact, role=role, did=did))
        if jwk is not None:
            client.add_key(publisher.id, jwk)
        elif role in SIGNING_ROLES and home is not None:
            add_signing_key(client, publisher, home, sign_with)
        elif role in SIGNING_ROLES and sign_with is not None:
            client.add_key(publisher.id, public_jwk(load_private_key(sign_with)))
        issued = client.issue_api_key(NewApiKey(publisher=publisher.id, scopes=DEFAULT_SCOPES[role]))
    if as_json:
        print_json({**publisher.model_dump(mode="json"), "api_key": issued.secret})
    else:
        _show(publisher, issued)


def _read_public_key(path: Path) -> dict[str, str]:
    try:
        jwk = json.loads(path.read_text())
        return public_jwk(import_public_key(jwk))
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise BadKey(f"{path} does not hold a public key in JWK form") from error


def _show(publisher: Publisher, issued: IssuedApiKey) -> None:
    console.print(f"Enrolled {publisher.name} as {publisher.role}, issuer {publisher.issuer}")
    console.print(f"API key, shown this once: {issued.secret}")
