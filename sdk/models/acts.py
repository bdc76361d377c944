"""The acts of those who run a registry, and of publishers on what is theirs (docs/security.md)."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, JsonValue

from sdk.models.base import Wire

DIGEST = r"^[0-9a-f]{64}$"


class ActorKind(StrEnum):
    """Who acted."""

    API_KEY = "api_key"  # the holder of one, named by its id
    LOCAL_OPERATOR = "local_operator"  # a command on the registry's machine
    REGISTRY = "registry"  # by itself, as every night


class ActType(StrEnum):
    """What was done."""

    SET_UP = "set_up"
    RESTORE_BACKUP = "restore_backup"
    MIGRATE = "migrate"
    START = "start"  # with settings that differ from those of the start before
    ENROL_PUBLISHER = "enrol_publisher"
    ADD_SIGNING_KEY = "add_signing_key"
    ROTATE_SIGNING_KEY = "rotate_signing_key"
    REVOKE_SIGNING_KEY = "revoke_signing_key"
    ROTATE_LOG_KEY = "rotate_log_key"  # of the registry itself, as the next two
    RETIRE_LOG_KEY = "retire_log_key"
    ROTATE_ANSWER_KEY = "rotate_answer_key"
    ISSUE_API_KEY = "issue_api_key"
    REVOKE_API_KEY = "revoke_api_key"
    WITHDRAW_RECORD = "withdraw_record"
    ERASE_RECORD = "erase_record"
    REVIEW_FAKE = "review_fake"  # a reviewer confirmed a known fake, or did not
    RESUME_SIGNING = "resume_signing"  # of a log that a witness contradicted
    GIVE_UP_WITNESSES = "give_up_witnesses"  # of a log that had some
    ADD_POLICY = "add_policy"  # a policy pack of a platform; as the next four, never what it says
    ASK_FOR_POLICY = "ask_for_policy"  # one of two people wants it switched on
    SWITCH_POLICY = "switch_policy"
    CHANGE_GATE = "change_gate"  # its settings
    FORGET_DECISIONS = "forget_decisions"  # whose time is over
    NOTE_DECISIONS = "note_decisions"  # where a platform's chain of decisions ends
    AUDIT = "audit"
    COMMIT_ACTS = "commit_acts"  # the log now commits to all acts before this one


class Act(Wire):
    """One administrative act, linked to the one before by its digest."""

    number: Annotated[int, Field(ge=0)]
    at: AwareDatetime
    actor: ActorKind
    api_key: str | None  # id of the API key, never its secret
    publisher: str | None  # whose API key it was
    type: ActType
    object: str | None  # id of what it was done to
    details: dict[str, JsonValue]
    previous: Annotated[
        str, Field(pattern=DIGEST, description="digest of the act before; zeros at the first")
    ]
    digest: Annotated[str, Field(pattern=DIGEST, description="sdk.acts.digest_of")]
