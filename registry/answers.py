"""Sign answers with the registry's own key, so that a platform can show later what it was told."""

import json
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

from registry.errors import MissingKey
from sdk.keys import BadKey, load_private_key, public_jwk

ALGORITHM = "ES256"


class AnswerSigner:
    """The registry's ES256 key."""

    def __init__(self, key_file: Path) -> None:
        try:
            self._key: ECKey = load_private_key(key_file)
        except BadKey as error:
            raise MissingKey(f"the registry's answer key: {error}") from error

    def sign(self, core: dict[str, Any]) -> str:
        """A compact JWS over the answer's core."""
        header = {"alg": ALGORITHM, "typ": "trueprint-answer+jws", "kid": self._key.thumbprint()}
        payload = json.dumps(core, ensure_ascii=False, separators=(",", ":"))
        return jws.serialize_compact(header, payload, self._key, algorithms=[ALGORITHM])

    def public_jwk(self) -> dict[str, str]:
        """The public half, for /.well-known/jwks.json."""
        return public_jwk(self._key)
