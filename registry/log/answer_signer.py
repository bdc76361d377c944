"""Signs answers with the registry's own key: the newest of those whose time has come.

A new key is published before it signs, so that key sets which platforms keep for a while have it by then
(`/.well-known/jwks.json` has all keys for ever: old answers verify). Nothing marks the old key's end but
the next one's beginning.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic

from joserfc.jwk import ECKey
from sqlmodel import Session, col, select

from registry.errors import MissingKey, RegistryError
from registry.log.key_ring import KeyRing
from registry.log.signers import Signer
from registry.storage.models import AnswerKey
from sdk.answers import sign_answer_by
from sdk.encodings import encode_base64url
from sdk.keys import public_jwk
from sdk.models import MatchAnswer

LOOK_EVERY_S = 10.0  # for new keys; those are published long before they sign


class AnswerSigner:
    """Holds the keys of answers; safe for many threads."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring
        self._lock = threading.Lock()
        self._rows: Sequence[AnswerKey] = ()
        self._looked_at = -LOOK_EVERY_S
        self._signers: dict[str, Signer] = {}

    def begin(self, session: Session, signer: Signer) -> None:
        """Makes this the first key of answers."""
        jwk = jwk_of(signer)
        session.add(AnswerKey(kid=jwk["kid"], jwk=jwk))
        session.flush()

    def adopt(self, session: Session) -> None:
        """Takes the key that is there for the first one, in a registry from before keys had a history.

        Raises MissingKey: it, or the one that signs now, is not here.
        """
        signers = self.ring.signers()
        if not signers:
            raise MissingKey(self.ring.missing())
        if not keys_of_answers(session):
            self.begin(session, signers[0])
        self.refresh(session, at_once=True)
        self._signer(self._due(datetime.now(UTC))[-1].kid)

    def refresh(self, session: Session, *, at_once: bool = False) -> None:
        """Learns of new keys, now and then: waits for the database, so call it in a thread."""
        if not at_once and monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        rows = keys_of_answers(session)
        for row in rows:
            session.expunge(row)
        with self._lock:
            self._rows, self._looked_at = rows, monotonic()

    def signed(self, answer: MatchAnswer, digest: str | None = None) -> MatchAnswer:
        """Returns the answer with its signature. Raises SignerUnavailable.

        `digest`: the answer's `answer_digest`, if that is known.
        """
        signature = self.sign(lambda kid, sign: sign_answer_by(answer, kid, sign, digest))
        return answer.model_copy(update={"signature": signature})

    def sign(self, with_key: Callable[[str, Callable[[bytes], bytes]], str]) -> str:
        """What `with_key` makes with the id of the key that signs now, and its `sign`.

        Raises SignerUnavailable.
        """
        for row in reversed(self._due(datetime.now(UTC))):
            try:
                signer = self._signer(row.kid)
            except MissingKey:
                continue  # this process was started without it; what the key before it signs verifies, too
            return with_key(row.kid, signer.sign)
        raise MissingKey(self.ring.missing())

    @property
    def fault(self) -> str | None:
        """Which key this process lacks, so that it signs with an older one now or soon; None: none."""
        if not self._rows:
            return None
        row = self._rows[-1]
        try:
            self._signer(row.kid)
        except RegistryError as error:
            since = "" if row.signs_from is None else f", which signs from {row.signs_from.isoformat()} on,"
            return (
                f"the newest key of answers {row.kid}{since} is not at hand in this process, and the one "
                f"before it goes on signing: {error}"
            )
        return None

    def signer(self, kid: str) -> Signer:
        """The private half of a key. Raises MissingKey."""
        return self._signer(kid)

    def _due(self, at: datetime) -> list[AnswerKey]:
        return [row for row in self._rows if row.signs_from is None or row.signs_from <= at]

    def _signer(self, kid: str) -> Signer:
        with self._lock:
            if kid not in self._signers:
                self._signers |= {jwk_of(signer)["kid"]: signer for signer in self.ring.signers()}
            if kid not in self._signers:
                raise MissingKey(self.ring.missing())
            return self._signers[kid]


def keys_of_answers(session: Session) -> Sequence[AnswerKey]:
    """All keys that sign, signed or will sign answers, in the order of their use."""
    in_order = col(AnswerKey.signs_from).asc().nulls_first()
    return session.exec(select(AnswerKey).order_by(in_order)).all()


def with_ends(rows: Sequence[AnswerKey]) -> list[tuple[AnswerKey, datetime | None]]:
    """Each key with the time from which the next one signs in its place."""
    ends = [row.signs_from for row in rows[1:]]
    return list(zip(rows, [*ends, None][: len(rows)], strict=True))


def jwk_of(signer: Signer) -> dict[str, str]:
    """The public half of an ES256 key as JWK, with its thumbprint as `kid`."""
    point = signer.public_key[1:]
    x, y = encode_base64url(point[:32]), encode_base64url(point[32:])
    return public_jwk(ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y}))
