"""Deliveries of webhooks: what a receiver may believe."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from sdk.models import Job, JobStatus
from sdk.webhooks import BadDelivery, verify_delivery

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
JOB = Job(
    id="j1",
    kind="gate",
    status=JobStatus.DONE,
    progress=1.0,
    created_at=datetime(2026, 12, 2, tzinfo=UTC),
    events="/v1/jobs/j1/events",
)


def headers_of(body: str, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "Webhook-Id": "j1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("j1", at, body),
    }


def test_a_delivery_that_is_signed_with_the_secret_is_believed() -> None:
    body = JOB.model_dump_json()
    assert verify_delivery(SECRET, headers_of(body), body.encode()) == JOB


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
@pytest.mark.parametrize("value", [None, "", "v1,", "v1,####", "another", "1"])
def test_a_header_that_is_missing_or_wrong_is_refused(name: str, value: str | None) -> None:
    body = JOB.model_dump_json()
    headers = headers_of(body)
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    with pytest.raises(BadDelivery):
        verify_delivery(SECRET, headers, body.encode())


def test_another_body_an_old_one_and_what_is_no_job_are_refused() -> None:
    body = JOB.model_dump_json()
    with pytest.raises(BadDelivery):
        verify_delivery(SECRET, headers_of(body), body.replace("done", "failed").encode())
    with pytest.raises(BadDelivery):
        verify_delivery(SECRET, headers_of(body, datetime.now(UTC) - timedelta(hours=1)), body.encode())
    with pytest.raises(BadDelivery):
        verify_delivery(SECRET, headers_of("{}"), b"{}")


def test_an_empty_secret_verifies_nothing() -> None:
    with pytest.raises(BadDelivery, match="the secret is empty"):
        verify_delivery("", {}, b"{}")
