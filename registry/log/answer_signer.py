"""Signs answers with the registry's own key."""

from pathlib import Path

from joserfc.jwk import ECKey

from registry.errors import MissingKey
from sdk.answers import sign_answer
from sdk.keys import BadKey, load_private_key, public_jwk
from sdk.models import MatchAnswer


class AnswerSigner:
    """Holds the registry's ES256 key."""

    def __init__(self, key_file: Path) -> None:
        try:
            self._key: ECKey = load_private_key(key_file)
        except BadKey as error:
            raise MissingKey(f"the registry's answer key: {error}") from error

    def signed(self, answer: MatchAnswer) -> MatchAnswer:
        """Returns the answer with its signature."""
        return answer.model_copy(update={"signature": sign_answer(answer, self._key)})

    def public_jwk(self) -> dict[str, str]:
        """Returns the public half, for /.well-known/jwks.json."""
        return public_jwk(self._key)
