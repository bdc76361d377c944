"""What is wrong with a value is said without a word of Python's."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from registry.app import create_app
from registry.gate.pack_schema import json_schema
from registry.settings import Settings
from sdk.flaws import FORMS, OTHERWISE, fault_in_words, first_flaw_in_words, flaws_in_words
from sdk.records import Statement
from tests.world import World


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Inner(BaseModel):
    name: str


class Outer(BaseModel, extra="forbid"):
    inner: tuple[Inner, ...] = Field(min_length=1)


def words_for(kind: Any, value: object) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(kind).validate_python(value)
    return [
        f"{'.'.join(map(str, place))}: {words}".removeprefix(": ")
        for place, words in flaws_in_words(refusal.value.errors())
    ]


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (str, None, "must be text"),
        (int, None, "must be a whole number"),
        (int, "x", "must be a whole number"),
        (int, 1.5, "must be a whole number"),
        (float, "x", "must be a number"),
        (bool, "perhaps", "must be true or false"),
        (list[int], 5, "must be a list"),
        (tuple[int, ...], "x", "must be a list"),
        (dict[str, str], 5, "must be an object with named fields"),
        (Inner, 5, "must be an object with named fields"),
        (Inner, {}, "name: is missing"),
        (Outer, {"inner": [{"name": "a"}], "colour": 1}, "colour: is not a known field"),
        (Colour, "blue", "must be 'red' or 'green'"),
        (Literal["png"], "gif", "must be 'png'"),
        (UUID, "x", "must be a UUID"),
        (AnyUrl, "x", "must be a web address"),
        (datetime, "x", "must be a date and a time with its zone, such as 2026-01-31T12:00:00Z"),
        (
            AwareDatetime,
            "2026-01-31T12:00:00",
            "must be a date and a time with its zone, such as 2026-01-31T12:00:00Z",
        ),
    ],
)
def test_each_kind_of_value_is_named_as_people_name_it(kind: Any, value: object, words: str) -> None:
    assert words_for(kind, value) == [words]


class Limited(BaseModel):
    text: str = Field(default="abc", min_length=2, max_length=4)
    letter: str = Field(default="a", min_length=1)
    few: tuple[int, ...] = Field(default=(1, 2), min_length=2, max_length=3)
    number: int = Field(default=5, ge=1, lt=9)
    digest: str = Field(default="0" * 64, pattern=r"^[0-9a-f]{64}$")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": "a"}, "text: must have at least 2 characters"),
        ({"text": "abcde"}, "text: must have at most 4 characters"),
        ({"letter": ""}, "letter: must have at least 1 character"),
        ({"few": [1]}, "few: must have at least 2 entries"),
        ({"few": [1, 2, 3, 4]}, "few: must have at most 3 entries"),
        ({"number": 0}, "number: must be at least 1"),
        ({"number": 9}, "number: must be less than 9"),
        ({"digest": "x"}, "digest: must be 64 hexadecimal digits in lower case"),
    ],
)
def test_a_limit_is_said_with_its_number(given: dict[str, object], words: str) -> None:
    assert words_for(Limited, given) == [words]


def test_a_list_whose_entries_are_at_fault_is_not_called_too_short_besides() -> None:
    assert words_for(Outer, {"inner": [{}]}) == ["inner.0.name: is missing"]
    assert words_for(Outer, {"inner": []}) == ["inner: must have at least 1 entry"]


def test_the_first_flaw_stands_for_all_where_one_line_is_wanted() -> None:
    with pytest.raises(ValidationError) as refusal:
        Limited.model_validate({"text": "a", "number": 0})
    assert first_flaw_in_words(refusal.value.errors()) == "text: must have at least 2 characters"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.csv"), "No such file or directory"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is not text in UTF-8"),
        (RuntimeError("[Errno 111] Connection refused"), "Connection refused"),
        (RuntimeError(), "no reason is given"),
    ],
)
def test_what_is_wrong_with_a_file_or_a_connection_is_said_without_its_number(
    error: Exception, words: str
) -> None:
    assert fault_in_words(error) == words


def test_every_pattern_of_the_wire_and_of_the_settings_has_words(world: World) -> None:
    schemas = (
        create_app(world.services).openapi(),
        Statement.model_json_schema(),
        Settings.model_json_schema(),
        json_schema(),
    )
    patterns = {pattern for schema in schemas for pattern in patterns_in(schema)}
    assert patterns == set(FORMS)
    assert OTHERWISE not in FORMS.values()


def patterns_in(schema: Any) -> Iterator[str]:
    """Every pattern of a JSON schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from patterns_in(part)
