import pytest

from sdk.dids import canonical_did, did_key_of
from sdk.keys import generate_key, public_jwk


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("did:web:Example.ORG", "did:web:example.org"),
        ("did:web:example.org%3a8443:a:%7Eb", "did:web:example.org%3A8443:a:~b"),
        ("did:web:example.org%3A443", "did:web:example.org"),
        ("did:web:localhost%3A8000", "did:web:localhost%3A8000"),
        # of the specification of did:key
        ("did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",) * 2,
    ],
)
def test_an_identifier_has_one_spelling(written: str, canonical: str) -> None:
    assert canonical_did(written) == canonical
    assert canonical_did(canonical) == canonical


@pytest.mark.parametrize(
    "did",
    [
        "did:web:example.org.",
        "did:web:a..b",
        "did:web:192.0.2.1",
        "did:web:ex%C3%A4mple.org",
        "did:web:example.org:",
        "did:web:example.org:..",
        "did:web:example.org%3A70000",
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",  # Ed25519
        "did:key:z1DnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
        "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU216O",  # O is no digit
        "did:example:1",
        "did:web:exämple.org",
        "did:web:example.org:\udcff",
    ],
)
def test_what_is_no_identifier_of_a_publisher_is_refused(did: str) -> None:
    with pytest.raises(ValueError, match="must"):
        canonical_did(did)


def test_a_did_key_is_that_of_its_key() -> None:
    first, second = (did_key_of(public_jwk(generate_key())) for _ in range(2))
    assert canonical_did(first) == first != second
    assert first.startswith("did:key:zDn")
