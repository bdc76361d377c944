"""What could be read in two ways is not read."""

import base64

import pytest

from sdk.encodings import (
    BadEncoding,
    NestedTooDeep,
    decode_base64,
    decode_base64url,
    parse_json,
    parse_object,
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "twice"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e999]", "too large"),
        (b"[" + b"9" * 5000 + b"]", "too large"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("{}".encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-32-le"), "not JSON"),
        ('{"a": "\u00e9"}'.encode("latin-1"), "not UTF-8"),
        (b'["\xed\xa0\x80"]', "not UTF-8"),
        (b'["\\ud800"]', "half of a character"),
        (b'{"\\udfff": 1}', "half of a character"),
        (b"{} {}", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_json_that_parsers_differ_about_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(BadEncoding, match=says):
        parse_json(content)


@pytest.mark.parametrize("depth", [17, 990, 1000, 100_000])
@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_before_it_is_parsed(bracket: bytes, depth: int) -> None:
    with pytest.raises(NestedTooDeep):
        parse_json(bracket * depth)


def test_brackets_in_text_nest_nothing() -> None:
    assert (
        parse_object(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[\\"{{{{{{{{{{{", "b": "\\ud83d\\ude00"}')["b"]
        == "\U0001f600"
    )
    with pytest.raises(BadEncoding, match="object"):
        parse_object(b"[]")


@pytest.mark.parametrize(
    "text", ["QQ", "QR==", "QQ==\n", " QQ==", "QQ= =", "QQ===", "QUJ=", "QQ==QQ==", "Q-=="]
)
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(BadEncoding):
        decode_base64(text)
    assert decode_base64(base64.b64encode(b"A").decode()) == b"A"


@pytest.mark.parametrize("text", ["QQ==", "QR", "QQ\n", "Q+", "A", "", "Q\u0100"])
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(BadEncoding):
        decode_base64url(text)
    assert decode_base64url("QQ") == b"A"


@pytest.mark.parametrize("end", ["", "\\"])
def test_a_string_that_does_not_end_is_read_once(end: str) -> None:
    """Where each quotation mark in it is tried as a beginning, this takes hours."""
    with pytest.raises(BadEncoding):
        parse_json(('{"kid":"' + '\\"' * 1_000_000 + end).encode())
