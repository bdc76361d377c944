"""Who may do what: every scope and every role against every action, on one's own row and on another's."""

import pytest

from registry.errors import NotAllowed, NotAuthenticated
from registry.records.access import (
    INTIMATE,
    RULES,
    SCOPES_OF_ROLE,
    Action,
    Sight,
    may,
    require,
    require_scope,
    require_sight,
    sight_of,
)
from registry.storage.models import ApiKey
from registry.storage.models.columns import now
from sdk.models import Role, Scope
from tests.registry.match.rows import record

MINE, THEIRS = "publisher-1", "publisher-2"
EVERY = frozenset(Scope)
ADMIN = frozenset({Scope.ADMIN})
OF_THE_GATE = {
    Action.DECIDE: Scope.GATE,
    Action.READ_DECISIONS: Scope.READ_DECISIONS,
    Action.REVIEW_DECISION: Scope.REVIEW_DECISIONS,
    Action.WRITE_POLICY: Scope.WRITE_POLICIES,
    Action.ACTIVATE_POLICY: Scope.ACTIVATE_POLICIES,
}
# By action: the scopes of which one suffices for one's own row, and for the row of another publisher.
ALLOWED: dict[Action, tuple[frozenset[Scope], frozenset[Scope]]] = {
    Action.MONITOR: (ADMIN | {Scope.MONITOR}, ADMIN | {Scope.MONITOR}),
    Action.OPERATE: (ADMIN, ADMIN),
    Action.REGISTER: (ADMIN | {Scope.REGISTER}, ADMIN),
    Action.REGISTER_FAKE: (frozenset({Scope.PUBLISH_FAKE}), frozenset({Scope.PUBLISH_FAKE})),
    Action.CHANGE_RECORD: (ADMIN | {Scope.REGISTER}, ADMIN),
    Action.CHANGE_KEYS: (ADMIN | {Scope.MANAGE_KEYS}, ADMIN),
    Action.MATCH: (ADMIN | {Scope.MATCH}, ADMIN | {Scope.MATCH}),
    Action.SEE_EVIDENCE: (frozenset({Scope.EVIDENCE}), frozenset({Scope.EVIDENCE})),
    Action.REVIEW_FAKE: (frozenset({Scope.REVIEW}), frozenset({Scope.REVIEW})),
    Action.SEE_INTIMATE: (frozenset({Scope.REVIEW, Scope.REGISTER}), frozenset({Scope.REVIEW})),
    Action.READ_JOB: (EVERY, ADMIN),
    # Whose a row is is part of every query: a key sees those of its own organisation.
    **{action: (frozenset({scope}),) * 2 for action, scope in OF_THE_GATE.items()},
}
ROLES: dict[Role, set[Action]] = {  # with all scopes that the role can have, on one's own rows
    Role.PUBLISHER: set(Action)
    - {Action.OPERATE, Action.MONITOR, Action.REVIEW_FAKE, Action.REGISTER_FAKE},
    Role.PLATFORM: {Action.MATCH, Action.READ_JOB, *OF_THE_GATE},
    Role.RESEARCHER: set(Action) - {Action.OPERATE, Action.MONITOR, Action.REVIEW_FAKE, *OF_THE_GATE},
    Role.REVIEWER: {
        Action.MATCH,
        Action.REVIEW_FAKE,
        Action.SEE_INTIMATE,
        Action.SEE_EVIDENCE,
        Action.READ_JOB,
    },
    Role.OPERATOR: set(Action),
}
REFUSALS = {  # action: scopes of the key, whose row, the words
    Action.MONITOR: (Scope.MATCH, MINE, "needs the scope monitor"),
    Action.OPERATE: (Scope.MATCH, MINE, "needs the scope admin"),
    Action.REGISTER: (
        Scope.REGISTER,
        THEIRS,
        "the statement is signed by another publisher than the API key's",
    ),
    Action.REGISTER_FAKE: (Scope.ADMIN, MINE, "registering a known fake needs the scope publish_fake"),
    Action.CHANGE_RECORD: (Scope.REGISTER, THEIRS, "the record belongs to another publisher"),
    Action.CHANGE_KEYS: (Scope.MANAGE_KEYS, THEIRS, "these keys belong to another publisher"),
    Action.MATCH: (Scope.REGISTER, MINE, "needs the scope match"),
    Action.SEE_EVIDENCE: (Scope.ADMIN, MINE, "needs the scope evidence"),
    Action.REVIEW_FAKE: (Scope.ADMIN, MINE, "needs the scope review"),
    Action.SEE_INTIMATE: (Scope.MATCH, MINE, INTIMATE),
    Action.READ_JOB: (Scope.MATCH, None, "the job belongs to another publisher"),
    # Not even a registry's operator.
    **{
        action: (Scope.ADMIN, MINE, f"needs the scope {scope.value}")
        for action, scope in OF_THE_GATE.items()
    },
}


def key_with(*scopes: Scope) -> ApiKey:
    return ApiKey(id="key", publisher_id=MINE, secret_sha256="", scopes=list(scopes), expires_at=now())


def test_every_action_has_a_rule_and_an_expectation() -> None:
    assert set(RULES) == set(Action) == set(ALLOWED) == set(REFUSALS)
    assert set(SCOPES_OF_ROLE) == set(Role) == set(ROLES)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("scope", [None, *Scope])
def test_one_scope_allows_what_the_table_says(action: Action, scope: Scope | None) -> None:
    key = key_with(*([scope] if scope else []))
    own, of_others = ALLOWED[action]
    anybody = RULES[action].scope is None  # a key without any scope does as well
    assert may(key, action, MINE) == (anybody if scope is None else scope in own)
    assert may(key, action, THEIRS) == (scope in of_others)
    assert may(key, action, None) == (scope in of_others), "a row that is nobody's is not one's own"


@pytest.mark.parametrize("role", Role)
def test_a_role_allows_what_its_scopes_do(role: Role) -> None:
    key = key_with(*SCOPES_OF_ROLE[role])
    assert {action for action in Action if may(key, action, MINE)} == ROLES[role]


@pytest.mark.parametrize("action", Action)
def test_a_refusal_says_why(action: Action) -> None:
    scope, owner, words = REFUSALS[action]
    with pytest.raises(NotAllowed, match=f"^{words}$"):
        require(key_with(scope), action, owner)
    require(key_with(*Scope), action, THEIRS)


def test_the_scope_is_asked_for_before_the_row_is_known() -> None:
    require_scope(key_with(Scope.REGISTER), Action.CHANGE_RECORD)
    with pytest.raises(NotAllowed, match="needs the scope register"):
        require_scope(key_with(Scope.MATCH), Action.CHANGE_RECORD)


def test_anybody_has_leave_to_see_a_record_that_is_not_intimate() -> None:
    assert require_sight(record(intimate=False), None) == Sight("a")


def test_an_intimate_record_is_seen_by_reviewers_and_by_whoever_registers_for_its_publisher() -> None:
    assert sight_of(record(intimate=True), key_with(Scope.REVIEW)) == Sight("a")
    own = record(intimate=True, publisher_id=MINE)
    assert sight_of(own, key_with(Scope.REGISTER)) == Sight("a")
    assert sight_of(own, key_with(Scope.MATCH)) is None
    assert sight_of(record(intimate=True), key_with(*set(Scope) - {Scope.REVIEW})) is None


def test_without_leave_a_key_is_asked_for_or_does_not_suffice() -> None:
    with pytest.raises(NotAuthenticated, match="intimate"):
        require_sight(record(intimate=True), None)
    with pytest.raises(NotAllowed, match="intimate"):
        require_sight(record(intimate=True), key_with(Scope.MATCH))
