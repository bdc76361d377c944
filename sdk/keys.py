"""Makes, saves and loads the ES256 keys of publishers, and names them by thumbprint (RFC 7638)."""

import os
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from sdk.errors import SdkError


class BadKey(SdkError):
    """This is no ES256 key that can be used here."""


def generate_key() -> ECKey:
    """Makes a private key on P-256."""
    return ECKey.generate_key("P-256", private=True)


def thumbprint(key: ECKey) -> str:
    """Returns the RFC 7638 thumbprint, which is the `kid` of every signature made with this key."""
    return key.thumbprint()


def save_private_key(key: ECKey, path: Path) -> None:
    """Writes PEM that only its owner can read. Raises FileExistsError: no file is ever overwritten."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.as_pem(private=True))


def load_private_key(path: Path) -> ECKey:
    """Reads a PEM private key. Raises BadKey."""
    try:
        key = ECKey.import_key(path.read_bytes())
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}") from error
    except (JoseError, ValueError) as error:
        raise BadKey(f"{path} does not hold a PEM key") from error
    if key.curve_name != "P-256" or not key.is_private:
        raise BadKey(f"{path} does not hold a private key on P-256")
    return key


def import_public_key(jwk: dict[str, str]) -> ECKey:
    """Reads a public JWK. Raises BadKey."""
    try:
        key = ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise BadKey("not a public EC key in JWK form") from error
    if key.curve_name != "P-256":
        raise BadKey("the key must be on P-256")
    return key


def public_jwk(key: ECKey) -> dict[str, str]:
    """Returns the public half as JWK, with its thumbprint as `kid`."""
    return {**{k: str(v) for k, v in key.as_dict(private=False).items()}, "kid": key.thumbprint()}
