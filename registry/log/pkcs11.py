"""Signs with keys in a PKCS#11 module: a smart card, an HSM, a cloud's KMS through its module, or SoftHSM.

The key never leaves the module. A key is named by its URI (RFC 7512), with the path of the module and where
its PIN is: `pkcs11:token=trueprint;object=log-2026?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=
file:/run/secrets/pin`. A PIN in the URI itself is refused: settings are shown and logged.
"""

import hashlib
import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes

from registry.errors import MissingKey, SignerUnavailable
from registry.log.signers import Algorithm, Signer

if TYPE_CHECKING:
    import pkcs11

SCHEME = "pkcs11:"
POINT_BYTES = {Algorithm.ED25519: 32, Algorithm.ES256: 65}


@dataclass(frozen=True)
class KeyUri:
    """Which key, in which token of which module."""

    module: str
    token: str
    pin_source: str
    label: str | None
    id: bytes | None


def parse_key_uri(text: str) -> KeyUri:
    """Reads the URI of a key. Raises MissingKey."""
    path, _, query = text.removeprefix(SCHEME).partition("?")
    parts = [part.partition("=") for part in (*path.split(";"), *query.split("&")) if part]
    if "pin-value" in {name for name, _, _ in parts}:
        raise MissingKey(
            "a PKCS#11 URI must not hold the PIN itself: name a file with pin-source=file:PATH"
        )
    raw = {name: value for name, _, value in parts}
    said = {name: unquote(value) for name, value in raw.items()}
    missing = [name for name in ("token", "module-path", "pin-source") if not said.get(name)]
    if missing or not (said.get("object") or said.get("id")):
        raise MissingKey(f"a PKCS#11 URI needs {', '.join(missing) or 'object or id'}")
    return KeyUri(
        said["module-path"],
        said["token"],
        said["pin-source"],
        said.get("object"),
        unquote_to_bytes(raw["id"]) if "id" in raw else None,
    )


@cache
def signer_in_module(uri: str, algorithm: Algorithm) -> Signer:
    """Opens a key. Raises MissingKey."""
    return _ModuleSigner(parse_key_uri(uri), algorithm)


class _ModuleSigner:
    """A key in a module."""

    def __init__(self, uri: KeyUri, algorithm: Algorithm) -> None:
        self._uri, self._algorithm = uri, algorithm
        self._token = _token(uri.module, uri.token, uri.pin_source)
        try:
            self.public_key = self._token.public_key(uri, algorithm)
        except _module_errors() as error:
            raise MissingKey(f"the PKCS#11 token {uri.token} fails: {type(error).__name__}") from error

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        try:
            return self._token.sign(self._uri, self._algorithm, message)
        except MissingKey as error:
            raise SignerUnavailable(str(error)) from error
        except _module_errors() as error:
            fault = type(error).__name__
            raise SignerUnavailable(
                f"the PKCS#11 token {self._uri.token} does not sign: {fault}"
            ) from error


class _Token:
    """A session with a token, one call at a time; opened anew when it was lost."""

    def __init__(self, module: str, label: str, pin_source: str) -> None:
        self._module, self._label, self._pin_source = module, label, pin_source
        self._lock = threading.Lock()
        self._session: Any = None

    def public_key(self, uri: KeyUri, algorithm: Algorithm) -> bytes:
        import pkcs11

        with self._lock:
            key = self._find(uri, pkcs11.ObjectClass.PUBLIC_KEY)
            return bytes(key[pkcs11.Attribute.EC_POINT])[-POINT_BYTES[algorithm] :]

    def sign(self, uri: KeyUri, algorithm: Algorithm, message: bytes) -> bytes:
        import pkcs11

        with self._lock:
            try:
                return self._sign(uri, algorithm, message)
            except pkcs11.PKCS11Error:
                self._close()  # the token was away, or the session is stale: once more with a new one
                return self._sign(uri, algorithm, message)

    def _sign(self, uri: KeyUri, algorithm: Algorithm, message: bytes) -> bytes:
        import pkcs11

        key = self._find(uri, pkcs11.ObjectClass.PRIVATE_KEY)
        if algorithm is Algorithm.ED25519:
            return bytes(key.sign(message, mechanism=pkcs11.Mechanism.EDDSA))
        digest = hashlib.sha256(message).digest()
        return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))

    def _find(self, uri: KeyUri, kind: "pkcs11.ObjectClass") -> Any:
        import pkcs11

        if self._session is None:
            self._session = self._opened()
        wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: kind}
        if uri.label is not None:
            wanted[pkcs11.Attribute.LABEL] = uri.label
        if uri.id is not None:
            wanted[pkcs11.Attribute.ID] = uri.id
        found = list(self._session.get_objects(wanted))
        if len(found) != 1:
            name = uri.label or (uri.id or b"").hex()
            raise MissingKey(f"the PKCS#11 token {uri.token} holds {len(found)} keys named {name}, not one")
        return found[0]

    def _opened(self) -> Any:
        import pkcs11

        try:
            token = pkcs11.lib(self._module).get_token(token_label=self._label)
        except (RuntimeError, OSError) as error:
            raise MissingKey(f"the PKCS#11 module {self._module} cannot be loaded") from error
        return token.open(user_pin=_pin(self._pin_source))

    def _close(self) -> None:
        import pkcs11

        session, self._session = self._session, None
        try:
            if session is not None:
                session.close()
        except pkcs11.PKCS11Error:
            pass  # it was gone already


@cache
def _token(module: str, label: str, pin_source: str) -> _Token:
    """One session for all keys of a token: a program logs in once."""
    _module_errors()
    return _Token(module, label, pin_source)


def _pin(source: str) -> str:
    kind, colon, rest = source.partition(":")
    if kind + colon == "env:":
        pin = os.environ.get(rest, "")
    else:
        try:
            pin = Path(rest if kind + colon == "file:" else source).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise MissingKey(f"the PIN cannot be read from {source}") from None
    if not pin:
        raise MissingKey(f"there is no PIN in {source}")
    return pin


def _module_errors() -> tuple[type[Exception], ...]:
    try:
        import pkcs11
    except ImportError:
        raise MissingKey("keys in PKCS#11 modules need python-pkcs11: install trueprint[pkcs11]") from None
    return (pkcs11.PKCS11Error,)
