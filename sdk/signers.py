"""Who signs statements, and with which key: a key file, or a publisher whose key lies in a home.

A home is the folder of a self-contained registry; publishers that are enrolled through it keep their keys
there.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from joserfc.jwk import ECKey

from sdk.client import Client
from sdk.durable_files import write_durably
from sdk.errors import SdkError
from sdk.keys import generate_key, load_private_key, public_jwk, save_private_key
from sdk.models import NewPublisher, Publisher
from sdk.possession import prove_possession

LOCAL_PUBLISHER = "Local publisher"


class NoSigner(SdkError):
    """No such publisher was enrolled through this home."""


@dataclass(frozen=True)
class Signer:
    """Who signs, and with which key."""

    issuer: str
    key: ECKey


@dataclass(frozen=True)
class Profile:
    """A publisher whose signing key lies in this home."""

    publisher: str
    name: str
    issuer: str
    key_file: str

    def save(self, folder: Path) -> None:
        """Write it, readable by its owner only; it is there as a whole or not at all."""
        content = json.dumps(asdict(self), indent=2).encode() + b"\n"
        write_durably(folder / f"{self.publisher}.json", content, mode=0o600)


def profiles(home: Path) -> list[Profile]:
    """Publishers enrolled through this home, oldest first."""
    files = sorted(_profile_folder(home).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [Profile(**json.loads(path.read_text())) for path in files]


def signer_with(client: Client, key_file: Path) -> Signer:
    """The publisher that the client's API key belongs to, with its private key. Raises BadKey."""
    return Signer(client.who_am_i().issuer, load_private_key(key_file))


def signer_of_home(client: Client, home: Path, wanted: str | None = None) -> Signer:
    """A publisher of the home: by name or id, else the oldest. Raises NoSigner.

    A home without publishers gets one of its own, so that nobody has to enrol for an evaluation.
    """
    known = profiles(home)
    if not known and wanted is None:
        enrolled = client.enrol(NewPublisher(name=LOCAL_PUBLISHER, contact="local"))
        known = [add_signing_key(client, enrolled, home)]
    chosen = [profile for profile in known if wanted in (None, profile.name, profile.publisher)]
    if not chosen:
        names = ", ".join(profile.name for profile in known) or "nobody"
        raise NoSigner(f"no publisher {wanted!r} in this home; enrolled: {names}")
    return Signer(chosen[0].issuer, load_private_key(Path(chosen[0].key_file)))


def add_signing_key(
    client: Client, publisher: Publisher, home: Path, key_file: Path | None = None
) -> Profile:
    """Enrol a key of the publisher, made in the home if no file is given, and remember the two."""
    folder = _profile_folder(home)
    path = folder / f"{publisher.id}.pem" if key_file is None else key_file.resolve()
    if key_file is None:
        save_private_key(generate_key(), path)
    key = load_private_key(path)
    client.add_key(publisher.id, public_jwk(key), prove_possession(key, publisher.id))
    profile = Profile(publisher.id, publisher.name, publisher.issuer, str(path))
    profile.save(folder)
    return profile


def _profile_folder(home: Path) -> Path:
    folder = home / "publishers"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
