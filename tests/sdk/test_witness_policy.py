from contextlib import suppress
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.witness_policy import BadPolicy, WitnessPolicy, parse_policy
from tests.witnesses import SmallLog, signer

KEYS = [signer(number).key for number in range(6)]
LOG = SmallLog().vkey
WITNESSES = "".join(f"witness w{number} {key.text()}\n" for number, key in enumerate(KEYS))
# The example of the specification: two of three of one organisation, and any of another's.
EXAMPLE = f"""log {LOG.text()} https://log.example/
{WITNESSES}
group X-witnesses 2 w0 w1 w2
\t group  Y-witnesses\tany w3 w4 w5
# both
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def policy(text: str) -> WitnessPolicy:
    return parse_policy(text.encode())


@pytest.mark.parametrize(
    ("cosigned", "met"),
    [((0, 1, 3), True), ((1, 2, 5), True), ((0, 3, 4, 5), False), ((0, 1, 2), False), ((), False)],
)
def test_groups_of_groups_are_counted(cosigned: tuple[int, ...], met: bool) -> None:
    read = policy(EXAMPLE)
    assert read.logs == (LOG,)
    assert read.is_met([KEYS[number] for number in cosigned]) is met
    assert read.in_words() == "2 of 2 groups and witnesses"


def test_one_witness_all_and_none_can_be_wanted() -> None:
    one = policy(f"witness w {KEYS[0].text()} https://w.example/\nquorum w")
    assert one.witnesses[0].url == "https://w.example/"
    assert (one.is_met([KEYS[0]]), one.is_met([KEYS[1]])) == (True, False)
    everyone = policy(f"{WITNESSES}group g all w0 w1\nquorum g\n")
    assert (everyone.is_met(KEYS[:2]), everyone.is_met(KEYS[:1])) == (True, False)
    assert everyone.in_words() == "2 of 2 witnesses"
    assert policy("quorum none").is_met([])


def test_names_are_octets() -> None:
    line = b"witness \xff " + KEYS[0].text().encode()
    other = b"witness \xfe " + KEYS[1].text().encode()
    read = parse_policy(line + b"\n" + other + b"\ngroup g all \xff \xfe\nquorum g")
    assert read.is_met(KEYS[:2])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no line `quorum`"),
        ("quorum w", "line 1: 'w' is named before"),
        ("quorum none\nquorum none", "line 2: a second"),
        ("quorums none", "line 1: not a line"),
        (f"witness w {LOG.text()}\nquorum w", "line 1: not an Ed25519 verifier key of type 4"),
        (f"log {KEYS[0].text()}\nquorum none", "line 1: not an Ed25519"),
        (f"log {LOG.text()}\nlog {LOG.text()}\nquorum none", "line 2: the key of log.example"),
        (f"{WITNESSES}witness w0 {signer(9).key.text()}\nquorum w0", "line 7: the name 'w0' is taken"),
        (f"{WITNESSES}witness w9 {KEYS[0].text()}\nquorum w0", "line 7: the key of"),
        (f"witness none {KEYS[0].text()}\nquorum none", "line 1: the name 'none' is taken"),
        (f"{WITNESSES}group g 3 w0 w1\nquorum g", "line 7: `all`"),
        (f"{WITNESSES}group g 0 w0 w1\nquorum g", "line 7: `all`"),
        (f"{WITNESSES}group g 01 w0 w1\nquorum g", "line 7: `all`"),
        (f"{WITNESSES}group g any\nquorum g", "line 7: not a line"),
        (f"{WITNESSES}group g any g\nquorum g", "line 7: 'g' is named before"),
        (f"{WITNESSES}group g any none\nquorum g", "line 7: 'none' is named before"),
        (f"{WITNESSES}group g any w0 w0\nquorum g", "line 7: 'w0' is a member of a group twice"),
        (f"{WITNESSES}group g any w0\ngroup h any w0\nquorum g", "line 8: 'w0' is a member"),
        ("quorum none\r", "line 1: a control character"),
        (f"witness w {KEYS[0].text()} https://w.example more\nquorum w", "line 1: not a line"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(BadPolicy, match=says):
        policy(text)


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        ("quorum w0", False),
        ("group g 2 w0 w1 w2\nquorum g", False),
        ("group g 2 w0 w1 w2 w3\nquorum g", True),
        ("group g any w0 w1\nquorum g", True),
        ("group g all w0 w1\nquorum g", False),
        ("group g any w0 w1\ngroup h any w2 w3\ngroup both all g h\nquorum both", True),
        ("group g any w0 w1\ngroup h 2 w2 w3 w4\ngroup both all g h\nquorum both", False),
        ("group g any w0 w1\ngroup h 2 g w3 w4\nquorum h", True),  # w0 and w3, w1 and w4
        ("quorum none", True),
    ],
)
def test_a_quorum_that_two_disjoint_sets_can_meet_is_told(text: str, splits: bool) -> None:
    read = policy(f"{WITNESSES}{text}")
    assert read.can_split() is splits
    keys = set(KEYS)
    sets = [set(chosen) for size in range(7) for chosen in combinations(KEYS, size)]
    assert splits is any(read.is_met(one) and read.is_met(keys - one) for one in sets)


WORDS = [
    b"\n",
    b" ",
    b"log ",
    b"witness ",
    b"group ",
    b"quorum ",
    b"any ",
    b"2 ",
    b"w ",
    b"x ",
    b"\xff",
    b"#",
]


@given(st.lists(st.sampled_from([*WORDS, KEYS[0].text().encode(), LOG.text().encode()])).map(b"".join))
def test_any_text_is_a_policy_or_refused_in_words(text: bytes) -> None:
    with suppress(BadPolicy):
        parse_policy(text).is_met(KEYS)
