"""Makes, saves and loads the ES256 keys of publishers, and names them by thumbprint (RFC 7638).

A key has one spelling here: its two coordinates, 32 bytes each (RFC 7518, section 6.2.1.2). Another
spelling of the same point is read as that point, so that it is not another key.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from sdk.durable_files import write_secret_once
from sdk.encodings import encode_base64url
from sdk.errors import SdkError

COORDINATE_BYTES = 32


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
    write_secret_once(path, key.as_pem(private=True))


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


def import_public_key(jwk: dict[str, Any]) -> ECKey:
    """Reads a public JWK; members beside the four of a key on P-256 count for nothing. Raises BadKey."""
    if "d" in jwk:
        raise BadKey("this is a private key: it belongs to its owner alone, send the public half")
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise BadKey("not a public EC key on P-256 in JWK form")
    point = {name: encode_base64url(_coordinate(jwk.get(name))) for name in ("x", "y")}
    try:
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", **point})
        key.raw_value  # noqa: B018  # only now it is seen whether the point lies on the curve
    except (JoseError, ValueError) as error:
        raise BadKey("the key is no point on P-256") from error
    return key


def is_canonical(jwk: dict[str, Any]) -> bool:
    """Whether a public JWK is written as `public_jwk` writes it, with or without `kid`. Raises BadKey."""
    written = public_jwk(import_public_key(jwk))
    return jwk in (written, {name: value for name, value in written.items() if name != "kid"})


def _coordinate(text: Any) -> bytes:
    if not isinstance(text, str):
        raise BadKey("a coordinate of the key is missing")
    bare = text.rstrip("=")
    try:
        decoded = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadKey("a coordinate of the key is not base64url") from None
    significant = decoded.lstrip(b"\0")
    if len(significant) > COORDINATE_BYTES:
        raise BadKey(f"a coordinate of the key has more than {COORDINATE_BYTES} bytes")
    return significant.rjust(COORDINATE_BYTES, b"\0")


def public_jwk(key: ECKey) -> dict[str, str]:
    """Returns the public half as JWK, with its thumbprint as `kid`."""
    return {**{k: str(v) for k, v in key.as_dict(private=False).items()}, "kid": key.thumbprint()}
