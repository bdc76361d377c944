"""Verifies deliveries of webhooks, as a receiver must before it believes one (standardwebhooks.com)."""

from collections.abc import Mapping

from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from sdk.errors import VerificationError
from sdk.models import Job


class BadDelivery(VerificationError):
    """The delivery is not signed with the secret, or too old, or no registry's."""


def verify_delivery(secret: str, headers: Mapping[str, str], body: bytes) -> Job:
    """What a registry delivers: a job that is done, of the gate with its `decision`. Raises BadDelivery.

    `secret`: of `Client.webhook_secret()`. `headers`: `webhook-id`, `webhook-timestamp` and
    `webhook-signature`, in any case. A delivery may come twice; `webhook-id` says so.
    """
    named = {name.lower(): value for name, value in headers.items()}
    if not secret:  # the library has an error of its own for that
        raise BadDelivery("the secret is empty: take that of `Client.webhook_secret()`")
    try:
        Webhook(secret).verify(body, named)
        return Job.model_validate_json(body)
    except (WebhookVerificationError, ValidationError, ValueError) as error:
        raise BadDelivery(f"the delivery cannot be believed: {type(error).__name__}") from None
