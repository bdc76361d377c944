"""What a policy pack says: its fields, from which the published JSON Schema is made."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from registry.gate.dsa_terms import Category, Keyword
from sdk.models import AccountAction, Effort, Outcome, Question, YesNo
from sdk.records import ShownText

MOST_RULES, MOST_CASES, MOST_INFERENCES = 500, 1000, 50
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}$")]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Sentence = Annotated[ShownText, StringConstraints(strip_whitespace=True, min_length=3, max_length=300)]
Texts = Annotated[dict[Language, Sentence], Field(min_length=1, max_length=40)]
OTHERWISE = "otherwise"  # the id of what applies where no rule does


class Part(BaseModel):
    """Base of what a pack is made of: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ground(StrEnum):
    """On what a restriction rests, in the words of the DSA."""

    ILLEGAL = "illegal"
    INCOMPATIBLE = "incompatible"  # with the platform's terms


class DsaTerms(Part):
    """What the DSA Transparency Database is told of decisions under a rule."""

    ground: Ground = Ground.INCOMPATIBLE
    legal_ground: Sentence = Field(
        default="The platform's terms on synthetic and manipulated media",
        description="the law, or the term of the platform",
    )
    category: Category = Category.OTHER_VIOLATION_TC
    category_addition: tuple[Category, ...] = Field(default=(), max_length=4)
    keywords: tuple[Keyword, ...] = Field(default=(), max_length=4)


class Rule(Part):
    """The first rule whose condition holds decides."""

    id: Slug
    when: str = Field(description="a condition in CEL over the facts of docs/policy-facts.md")
    then: Outcome
    why: Sentence = Field(description="one sentence that the uploader reads, in English")
    why_in: dict[Language, Sentence] = Field(
        default_factory=dict, max_length=40, description="the same in other languages"
    )
    account: AccountAction | None = None
    label: LabelKey | None = Field(default=None, description="key of one of the pack's labels")
    dsa: DsaTerms | None = Field(default=None, description="the pack's own where it is not given")


class Otherwise(Part):
    """What applies where no rule does."""

    then: Outcome = Outcome.ALLOW
    why: Sentence = "No rule of this policy is about it."
    why_in: dict[Language, Sentence] = Field(default_factory=dict, max_length=40)


class Inference(Part):
    """An answer to one of the three questions that follows from facts."""

    when: str
    answer: YesNo
    why: Sentence


class Case(Part):
    """What the pack must make of some facts."""

    name: Sentence
    facts: dict[str, Any] = Field(default_factory=dict, max_length=200)
    then: Outcome
    rule: Slug | None = Field(default=None, description="id of the rule that must decide")


class PackDocument(Part):
    """A policy: rules in order, what it writes on labels, and the cases that show what it means."""

    pack: Slug
    version: Version
    title: Sentence
    summary: Annotated[ShownText, StringConstraints(min_length=3, max_length=2000)]
    reference: str | None = Field(
        default=None,
        max_length=500,
        pattern=r"^https://[!#-&(-;=?-~]+$",
        description="where the platform publishes this policy",
    )
    effort: Effort | None = Field(
        default=None,
        description="how closely stills are compared, at least; as the registry's settings say when unset",
    )
    labels: dict[LabelKey, Texts] = Field(default_factory=dict, max_length=100)
    dsa: DsaTerms = DsaTerms()
    questions: dict[Question, Annotated[tuple[Inference, ...], Field(max_length=MOST_INFERENCES)]] = Field(
        default_factory=dict
    )
    rules: tuple[Rule, ...] = Field(max_length=MOST_RULES)
    otherwise: Otherwise = Otherwise()
    cases: tuple[Case, ...] = Field(default=(), max_length=MOST_CASES)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of packs, as it is published."""
    schema = PackDocument.model_json_schema()
    _close(schema)
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "$id": "urn:trueprint:policy-pack", **schema}


def _close(schema: Any) -> None:
    """Lets in no names but those that match a pattern: they are refused, too."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for inside in schema.values():
            _close(inside)
    elif isinstance(schema, list):
        for inside in schema:
            _close(inside)
