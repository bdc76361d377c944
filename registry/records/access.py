"""Who may do what to which row: one rule for every action, and the scopes that each role can have.

This module knows API keys, scopes and whose a row is. It must not know what an action does. A new action is
one member of `Action` and one rule. It also makes the leave (`Sight`) without which no registered picture
is drawn or sent.
"""

from dataclasses import dataclass
from enum import Enum, auto

from registry.errors import NotAllowed, NotAuthenticated
from registry.storage.models import ApiKey, Record
from sdk.models import Role, Scope

OF_THE_GATE = frozenset(
    {
        Scope.GATE,
        Scope.READ_DECISIONS,
        Scope.REVIEW_DECISIONS,
        Scope.WRITE_POLICIES,
        Scope.ACTIVATE_POLICIES,
    }
)
SCOPES_OF_ROLE: dict[Role, frozenset[Scope]] = {
    Role.PUBLISHER: frozenset({Scope.REGISTER, Scope.MATCH, Scope.EVIDENCE, Scope.MANAGE_KEYS})
    | OF_THE_GATE,
    Role.PLATFORM: frozenset({Scope.MATCH}) | OF_THE_GATE,
    Role.RESEARCHER: frozenset(
        {Scope.REGISTER, Scope.MATCH, Scope.PUBLISH_FAKE, Scope.EVIDENCE, Scope.MANAGE_KEYS}
    ),
    Role.REVIEWER: frozenset({Scope.MATCH, Scope.REVIEW, Scope.EVIDENCE}),
    Role.OPERATOR: frozenset(Scope),
}


class Action(Enum):
    """What can be asked for with an API key."""

    MONITOR = auto()  # read metrics
    OPERATE = auto()  # enrol publishers, issue and revoke API keys, audit
    REGISTER = auto()  # a statement that is signed by the row's publisher
    REGISTER_FAKE = auto()
    CHANGE_RECORD = auto()  # withdraw or erase it
    CHANGE_KEYS = auto()  # add, rotate and revoke signing keys
    MATCH = auto()
    SEE_EVIDENCE = auto()
    REVIEW_FAKE = auto()  # confirm what another organisation registered as a known fake, or doubt it
    SEE_INTIMATE = auto()  # what is kept of an intimate record's picture, or can be drawn from it
    READ_JOB = auto()
    DECIDE = auto()  # have the gate decide
    # Always of the key's own organisation: whose a row is is part of every query.
    READ_DECISIONS = auto()
    REVIEW_DECISION = auto()
    WRITE_POLICY = auto()
    ACTIVATE_POLICY = auto()


@dataclass(frozen=True)
class Rule:
    """What an API key needs for an action."""

    scope: Scope | None  # None: every key has what is needed
    of_others: str | None = (
        None  # why the row of another publisher is refused; None: whose it is is not asked
    )
    without_scope: str | None = None  # why a key without the scope is refused, where more is to be said
    admin_suffices: bool = True  # whether the scope `admin` stands in for the other
    own_scope: Scope | None = None  # what suffices in its place where the row is the key's publisher's own


INTIMATE = (
    "the record is intimate: its picture, and pictures of how an upload differs from it, are shown only to "
    "its publisher and to keys with the scope review"
)
RULES = {
    Action.MONITOR: Rule(Scope.MONITOR),
    Action.OPERATE: Rule(Scope.ADMIN),
    Action.REGISTER: Rule(
        Scope.REGISTER, of_others="the statement is signed by another publisher than the API key's"
    ),
    Action.REGISTER_FAKE: Rule(
        Scope.PUBLISH_FAKE,
        without_scope="registering a known fake needs the scope publish_fake",
        admin_suffices=False,
    ),
    Action.CHANGE_RECORD: Rule(Scope.REGISTER, of_others="the record belongs to another publisher"),
    Action.CHANGE_KEYS: Rule(Scope.MANAGE_KEYS, of_others="these keys belong to another publisher"),
    Action.MATCH: Rule(Scope.MATCH),
    Action.SEE_EVIDENCE: Rule(Scope.EVIDENCE, admin_suffices=False),
    Action.REVIEW_FAKE: Rule(Scope.REVIEW, admin_suffices=False),
    # Whoever runs a platform or the registry has work to do with such records that needs words, no picture.
    Action.SEE_INTIMATE: Rule(
        Scope.REVIEW, without_scope=INTIMATE, admin_suffices=False, own_scope=Scope.REGISTER
    ),
    # What a platform decides is its own business, not the registry operator's.
    Action.DECIDE: Rule(Scope.GATE, admin_suffices=False),
    Action.READ_DECISIONS: Rule(Scope.READ_DECISIONS, admin_suffices=False),
    Action.REVIEW_DECISION: Rule(Scope.REVIEW_DECISIONS, admin_suffices=False),
    Action.WRITE_POLICY: Rule(Scope.WRITE_POLICIES, admin_suffices=False),
    Action.ACTIVATE_POLICY: Rule(Scope.ACTIVATE_POLICIES, admin_suffices=False),
    # Never said: who may not read a job is told that there is none.
    Action.READ_JOB: Rule(None, of_others="the job belongs to another publisher"),
}


def may(api_key: ApiKey, action: Action, owner_id: str | None = None) -> bool:
    """Whether the key is good for an action; `owner_id`: the publisher of the row, None for nobody's."""
    return _refusal(api_key, action, owner_id) is None


def require(api_key: ApiKey, action: Action, owner_id: str | None = None) -> None:
    """Refuse what the key is not good for; `owner_id` as for `may`. Raises NotAllowed."""
    refusal = _refusal(api_key, action, owner_id)
    if refusal is not None:
        raise NotAllowed(refusal)


@dataclass(frozen=True)
class Asker:
    """Who asks about an upload: the holder of a key, or anybody."""

    api_key: ApiKey | None

    @property
    def organisation(self) -> str:
        """Whose answers are put together; everybody on the page is taken for one."""
        return self.api_key.publisher_id if self.api_key else "page"

    @property
    def sees_numbers(self) -> bool:
        """Whether distances are told."""
        return self.api_key is not None and may(self.api_key, Action.SEE_EVIDENCE)

    def may_compute_fingerprints_of(self, record: Record) -> bool:
        """Whether it is theirs, or its picture is shown to them, so that an answer gives nothing away."""
        if self.api_key is not None and self.api_key.publisher_id == record.publisher_id:
            return True
        return record.preview_key is not None and sight_of(record, self.api_key) is not None


@dataclass(frozen=True)
class Sight:
    """Leave to show the registered picture of one record; made by `sight_of` and `require_sight` alone."""

    record_id: str


def sight_of(record: Record, api_key: ApiKey | None) -> Sight | None:
    """Leave to show a record's picture to the holder of a key or, without one, to anybody; None: withheld.

    The picture of a record that is not intimate may be seen by everybody.
    """
    if not record.intimate:
        return Sight(record.id)
    allowed = api_key is not None and may(api_key, Action.SEE_INTIMATE, record.publisher_id)
    return Sight(record.id) if allowed else None


def require_sight(record: Record, api_key: ApiKey | None) -> Sight:
    """As `sight_of`. Raises NotAuthenticated without a key, NotAllowed where the key does not suffice."""
    sight = sight_of(record, api_key)
    if sight is None:
        raise NotAuthenticated(INTIMATE) if api_key is None else NotAllowed(INTIMATE)
    return sight


def require_scope(api_key: ApiKey, action: Action) -> None:
    """Refuse a key without the scope, before it is known which row is meant. Raises NotAllowed."""
    refusal = _scope_refusal(api_key, action)
    if refusal is not None:
        raise NotAllowed(refusal)


def _refusal(api_key: ApiKey, action: Action, owner_id: str | None) -> str | None:
    own_scope = RULES[action].own_scope
    if own_scope in api_key.scopes and owner_id is not None and api_key.publisher_id == owner_id:
        return None
    return _scope_refusal(api_key, action) or _owner_refusal(api_key, action, owner_id)


def _scope_refusal(api_key: ApiKey, action: Action) -> str | None:
    rule = RULES[action]
    if rule.scope is None or rule.scope in api_key.scopes:
        return None
    if rule.admin_suffices and Scope.ADMIN in api_key.scopes:
        return None
    return rule.without_scope or f"needs the scope {rule.scope.value}"


def _owner_refusal(api_key: ApiKey, action: Action, owner_id: str | None) -> str | None:
    if api_key.publisher_id == owner_id or Scope.ADMIN in api_key.scopes:
        return None
    return RULES[action].of_others
