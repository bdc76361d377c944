"""The base of all wire types, which are frozen and refuse unknown fields, and the problem document."""

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Base of all wire types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def in_words(value: str) -> str:
    """A value of the wire as people read it: spaces for the underscores, and "re-encoded"."""
    words = value.replace("_", " ")
    return f"re-{words[3:]}" if words.startswith("re ") else words


class ProblemField(Wire):
    """One field of a request that is not valid."""

    field: str
    reason: str


class PackFlaw(Wire):
    """What is wrong with a pack, and where."""

    line: int
    where: str  # as `rules[2].when`
    reason: str


class Problem(Wire):
    """An RFC 9457 problem document; docs/problems.md lists the codes."""

    type: str
    title: str
    status: int
    detail: str
    code: str  # stable, for programs
    fields: tuple[ProblemField, ...] = ()
    flaws: tuple[PackFlaw, ...] = ()  # of a policy pack
