"""What a platform asks the gate before it publishes, and the outcomes that there are."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from sdk.models.base import Wire
from sdk.models.matching import Effort
from sdk.records import ShownText

SHA256 = r"^[0-9a-f]{64}$"
LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"  # BCP 47
WORD = r"^[a-z][a-z0-9_]{0,39}$"
Word = Annotated[str, StringConstraints(pattern=WORD)]
MACHINES = ("comparison", "registry", "policy", "nobody")  # who else answers a question


def _not_a_machine(name: str) -> str:
    if name.casefold() in MACHINES:
        raise ValueError(f"{', '.join(MACHINES)} are no names of people or classifiers")
    return name


Name = Annotated[
    ShownText,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_not_a_machine),
]


class Outcome(StrEnum):
    """What a platform is told to do with an upload, the mildest first."""

    ALLOW = "allow"
    LABEL = "label"
    DEMOTE = "demote"  # show it less, recommend it to nobody
    AGE_GATE = "age_gate"
    HOLD = "hold"  # nobody sees it until a person has looked, or a video has been worked on
    REFUSE = "refuse"

    @property
    def http_status(self) -> int:
        """What the gate answers with: 451 is a refusal for legal or policy reasons (RFC 7725)."""
        return {Outcome.HOLD: 202, Outcome.REFUSE: 451}.get(self, 200)


class AccountAction(StrEnum):
    """What a policy wants to happen to the uploader's account."""

    WARN = "warn"
    SUSPEND = "suspend"
    TERMINATE = "terminate"


class Declared(StrEnum):
    """What an uploader says of the upload."""

    AI_GENERATED = "ai_generated"
    NOT_AI_GENERATED = "not_ai_generated"
    EDITED = "edited"
    UNALTERED = "unaltered"
    OWN_WORK = "own_work"
    SATIRE = "satire"


class Audience(StrEnum):
    """Who will see the upload."""

    PUBLIC = "public"
    LIMITED = "limited"  # followers, or the members of a group
    PRIVATE = "private"
    UNKNOWN = "unknown"


class ExceptionKind(StrEnum):
    """Why media that a rule is about may be published all the same."""

    ART = "art"
    DOCUMENTARY = "documentary"
    EDUCATION = "education"
    NEWS = "news"
    SATIRE = "satire"
    SCIENCE = "science"


class Question(StrEnum):
    """The three questions of Twitter's policy of 2020, which most policies since have asked."""

    ALTERED = "altered"  # is it significantly and deceptively altered, or made up?
    DECEPTIVE = "deceptive"  # is it shared in a deceptive manner?
    HARM = "harm"  # is it likely to cause serious harm?


class YesNo(StrEnum):
    """An answer to one of the questions."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class GivenAnswer(Wire):
    """What the platform knows: its answer to a question, and who or what gave it."""

    answer: YesNo
    by: Name  # a reviewer's handle, or the name of a classifier
    reason: ShownText | None = Field(default=None, max_length=500)


class GivenException(Wire):
    """An exception that somebody on the platform stands behind with a name."""

    kind: ExceptionKind
    by: Name
    reason: ShownText | None = Field(default=None, max_length=500)


class GateContext(Wire):
    """What the platform says of an upload. Nothing of it is needed."""

    content_ref: ShownText | None = Field(
        default=None, max_length=200, description="the platform's own name of the upload"
    )
    uploader_ref: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="opaque; only a digest under a key of the platform's own is kept",
    )
    declared: tuple[Declared, ...] = Field(default=(), max_length=len(Declared))
    text: str = Field(
        default="",
        max_length=10_000,
        description="what is written beside the upload; rules read it, it is not kept",
    )
    signals: tuple[Word, ...] = Field(
        default=(), max_length=32, description="words that the platform's own classifiers say; kept"
    )
    audience: Audience = Audience.UNKNOWN
    language: str = Field(
        default="en", pattern=LANGUAGE, max_length=35, description="of the statement of reasons"
    )
    content_language: str | None = Field(
        default=None, pattern=LANGUAGE, max_length=35, description="of the upload itself"
    )
    answers: dict[Question, GivenAnswer] = Field(default_factory=dict)
    exceptions: tuple[GivenException, ...] = Field(default=(), max_length=len(ExceptionKind))
    content_date: date | None = Field(default=None, description="when it was posted; today when unset")
    policy: str | None = Field(
        default=None,
        max_length=120,
        description="name, name@version or SHA-256 of a pack; the active one when unset. A name alone "
        "is the active pack, if it is called so, and else its newest version",
    )
    effort: Effort | None = Field(
        default=None,
        description="how closely a still picture is compared, at least as the policy says if it does; as "
        "the registry's settings say when neither does",
    )
    deadline_ms: int | None = Field(default=None, ge=1, le=600_000)
    on_failure: Literal[Outcome.ALLOW, Outcome.HOLD, Outcome.REFUSE] = Outcome.HOLD
    dry_run: bool = Field(default=False, description="decide, and count it for nothing")
