"""Verifies a publisher's signed statement, as far as that is possible before anything is computed."""

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session

from registry.errors import BadSignature, BadStatement, KeyNotValid, NestedTooDeep
from registry.log.transparency_log import head_of
from registry.records.access import Action, require
from registry.records.publishers import get_publisher, validity_now
from registry.records.reading import URN_PREFIX
from registry.storage.models import ApiKey, PublisherKey
from registry.storage.models.columns import now
from sdk import records as signed
from sdk.checkpoint import parse_checkpoint_unverified
from sdk.keys import import_public_key
from sdk.records import AssetClass, Statement
from sdk.shown_text import require_label

CLOCK_LEEWAY = timedelta(minutes=5)  # publishers' clocks differ from ours


@dataclass(frozen=True)
class VerifiedStatement:
    """A statement whose signature and key were verified."""

    statement: Statement
    jws: str
    kid: str
    publisher_id: str

    @property
    def record_id(self) -> str:
        """The statement's id without its prefix."""
        return self.statement.id.removeprefix(URN_PREFIX)


def signing_key(session: Session, kid: str, *, anew: bool = False) -> PublisherKey:
    """Returns a key that may sign now; with `anew` by its row as it is now. Raises KeyNotValid."""
    key = session.get(PublisherKey, kid, populate_existing=anew)
    if key is None:
        raise KeyNotValid("the statement is signed by a key that is not enrolled here")
    validity = validity_now(key)
    if not validity.valid:
        raise KeyNotValid(validity.reason)
    return key


def verify_statement(session: Session, api_key: ApiKey, jws: str) -> VerifiedStatement:
    """Verifies a statement before anything is decoded. Raises a StatementRefused error or NotAllowed.

    1. The key that it names is enrolled here. 2. That key is valid now. 3. The signature verifies.
    4. Label, date, audience and issuer are right. 5. This caller may say that.
    """
    try:
        kid = signed.signing_kid(jws)
        key = signing_key(session, kid)
        statement = signed.verify_record(jws, import_public_key(key.jwk))
    except signed.BadSignature as error:
        raise BadSignature(str(error)) from error
    except signed.StatementTooDeep as error:
        raise NestedTooDeep(str(error)) from error
    except signed.BadStatement as error:
        raise BadStatement(str(error)) from error
    try:
        require_label(statement.label)
    except ValueError as error:
        raise BadStatement(f"label: {error}") from None
    if statement.valid_from > now() + CLOCK_LEEWAY:
        raise BadStatement("validFrom lies in the future")
    here = parse_checkpoint_unverified(head_of(session).checkpoint).origin
    if statement.audience and here not in statement.audience:
        raise BadStatement(f"aud: the statement is meant for another registry than {here}")
    publisher = get_publisher(session, key.publisher_id)
    if statement.issuer != publisher.issuer:
        raise BadStatement(f"its issuer is not that of the API key, which is {publisher.issuer}")
    require(api_key, Action.REGISTER, publisher.id)
    if statement.asset_class is AssetClass.KNOWN_FAKE:
        require(api_key, Action.REGISTER_FAKE)
    return VerifiedStatement(statement, jws, kid, publisher.id)
