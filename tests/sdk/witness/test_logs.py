import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.witness.logs import BadLogList, parse_logs, read_logs
from tests.witnesses import SmallLog

ONE, TWO = SmallLog("one.example").vkey, SmallLog("two.example", 2).vkey
LIST = f"""# a list
logs/v0

vkey {ONE.text()}
qpd 86400
contact desk@one.example

vkey {TWO.text()}
origin go.sum database tree
\tqpd 24
  contact sysadmin (at) two.example
"""


def test_a_list_names_logs_by_their_keys_or_by_an_origin_of_their_own() -> None:
    logs = parse_logs(LIST)
    assert {origin: log.key for origin, log in logs.items()} == {
        "one.example": ONE,
        "go.sum database tree": TWO,
    }
    assert parse_logs(f"logs/v0\nvkey {ONE.text()}\nvkey {TWO.text()}\n").keys() == {ONE.name, TWO.name}
    assert parse_logs("logs/v0") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: a list begins with"),
        (f"vkey {ONE.text()}", "line 1: a list begins with"),
        ("logs/v1\n", "line 1: a list begins with"),
        ("logs/v0\n\nqpd 3\n", "line 3: `vkey`"),
        ("logs/v0\nvkey\n", "line 2: "),
        (f"logs/v0\nvkey {ONE.text()[:-4]}\n", "line 2: "),
        (f"logs/v0\nvkey {ONE.text()}\nqpd 0\n", "line 3: no qpd"),
        (f"logs/v0\nvkey {ONE.text()}\norigin\n", "line 3: no origin"),
        (f"logs/v0\nvkey {ONE.text()}\nqpd 3\norigin x\n", "line 4: `vkey`"),
        (f"logs/v0\nvkey {ONE.text()}\nvkey {ONE.text()}\n", "line 3: a second log"),
    ],
)
def test_a_list_that_cannot_be_read_names_the_line(text: str, says: str) -> None:
    with pytest.raises(BadLogList, match=says):
        parse_logs(text)


WORDS = ["\n", " ", "logs/v0\n", "vkey ", "qpd ", "7", "origin ", "#", ONE.text()]


@given(st.lists(st.sampled_from(WORDS)).map("".join))
def test_any_text_is_a_list_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(BadLogList):
        parse_logs(text)


def test_a_file_that_is_no_list_is_named(tmp_path: Path) -> None:
    for content in (b"\xff", b"logs"):
        (tmp_path / "logs").write_bytes(content)
        with pytest.raises(BadLogList, match=str(tmp_path)):
            read_logs(tmp_path / "logs")
    with pytest.raises(BadLogList, match="No such file"):
        read_logs(tmp_path / "none")
