"""When a signing key is good."""

from datetime import UTC, datetime, timedelta

import pytest

from registry.records.publishers import key_validity
from registry.storage.models import PublisherKey

ENROLLED = datetime(2026, 3, 1, tzinfo=UTC)
RETIRED = ENROLLED + timedelta(days=90)
REVOKED = ENROLLED + timedelta(days=30)
MOMENT = timedelta(microseconds=1)


def key(valid_until: datetime | None = None, revoked_at: datetime | None = None) -> PublisherKey:
    return PublisherKey(
        kid="k",
        publisher_id="p",
        jwk={},
        valid_from=ENROLLED,
        valid_until=valid_until,
        revoked_at=revoked_at,
    )


@pytest.mark.parametrize(
    ("signing_key", "at", "valid", "says"),
    [
        (key(), ENROLLED - MOMENT, False, "enrolled at 2026-03-01"),
        (key(), ENROLLED, True, "neither retired nor revoked"),
        (key(), ENROLLED + timedelta(days=10_000), True, "neither retired nor revoked"),
        (key(RETIRED), RETIRED - MOMENT, True, "neither retired nor revoked"),
        (key(RETIRED), RETIRED, False, "retired at 2026-05-30"),
        (key(RETIRED, REVOKED), REVOKED - MOMENT, True, "neither retired nor revoked"),
        (key(RETIRED, REVOKED), REVOKED, False, "revoked at 2026-03-31"),
        (key(RETIRED, REVOKED), RETIRED, False, "revoked at 2026-03-31"),
    ],
)
def test_a_key_is_good_from_its_enrolment_until_it_is_retired_or_revoked(
    signing_key: PublisherKey, at: datetime, valid: bool, says: str
) -> None:
    validity = key_validity(signing_key, at)
    assert validity.valid is valid
    assert says in validity.reason
    assert (validity.kid, validity.at) == ("k", at)


def test_a_time_without_a_zone_is_taken_as_utc() -> None:
    assert key_validity(key(), ENROLLED.replace(tzinfo=None)).valid
    assert key_validity(key(), ENROLLED.replace(tzinfo=None)).at == ENROLLED
