"""Canonical JSON is what the `rfc8785` package says, whatever the text."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sdk.canonical import canonical_json

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES, st.booleans())
def test_any_value(value: object, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    try:
        expected = rfc8785.dumps(json.loads(text))
    except ValueError:  # half of a character
        with pytest.raises(ValueError, match=r"."):
            canonical_json(text)
        return
    assert canonical_json(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"\\u20ac": 1, "\\r": 2, "\\ufb33": 3, "1": 4, "\\ud83d\\ude00": 5, "\\u0080": 6, "\\u00f6": 7}',
        "[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001, -0.0, 1.0, 1e-5, 1e21]",
        '["\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/\\u007f\\u2028"]',
        "[0.0001, 0.00009999, 999999999999999.9, 1e15, 9007199254740991.0]",
        '{"b": {"d": [], "c": {}}, "a": [true, false, null]}',
    ],
)
def test_what_writers_differ_in(text: str) -> None:
    assert canonical_json(text) == rfc8785.dumps(json.loads(text))


@pytest.mark.parametrize("text", ["9007199254740992", "[1e400]", "NaN", "[Infinity]", '"\\ud800"', "{", ""])
def test_what_has_no_canonical_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json(text)
