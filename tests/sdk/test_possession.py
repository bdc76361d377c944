import time

import pytest

from sdk.keys import generate_key
from sdk.possession import CLOCK_LEEWAY_S, GOOD_FOR_S, BadProof, prove_possession, verify_possession

KEY, NOW = generate_key(), time.time()
PROOF = prove_possession(KEY, "Daily Example")


def test_a_key_says_whose_it_is_to_be() -> None:
    verify_possession(PROOF, KEY, ("an-id", "Daily Example"))


@pytest.mark.parametrize(
    ("proof", "publisher", "later_s", "says"),
    [
        (
            prove_possession(generate_key(), "Daily Example"),
            "Daily Example",
            0,
            "not signed by the new key",
        ),
        (PROOF, "Another", 0, "another publisher"),
        (PROOF, "Daily Example", GOOD_FOR_S + 10, "older than 30 days"),
        (PROOF, "Daily Example", -CLOCK_LEEWAY_S - 10, "from the future"),
        ("", "Daily Example", 0, "cannot be read"),
        (PROOF + "=", "Daily Example", 0, "cannot be read"),
    ],
)
def test_what_is_no_proof_is_refused(proof: str, publisher: str, later_s: float, says: str) -> None:
    with pytest.raises(BadProof, match=says):
        verify_possession(proof, KEY, (publisher,), NOW + later_s)
