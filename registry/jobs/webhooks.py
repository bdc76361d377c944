"""Notifies callers of finished jobs: signed after Standard Webhooks, never into a private network.

The secret of an API key is derived from a key of this registry, so that it need not be stored.
"""

import base64
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from standardwebhooks.webhooks import Webhook

from registry.errors import BadWebhook, MissingKey
from registry.jobs.lifecycle import as_wire
from registry.services import Services
from registry.storage.db import transaction
from registry.storage.models import Job

KEY_BYTES = 32
TIMEOUT_S = 10.0
KEY_FILE = "webhooks.key"


class NotDelivered(Exception):
    """The receiver did not take the delivery; it is tried again."""


def load_or_make_key(folder: Path) -> bytes:
    """Reads the key that secrets are derived from, or makes it; only its owner can read the file."""
    path = folder / KEY_FILE
    if not path.exists():
        # Written under another name first: a process that starts at the same time never reads half a key.
        descriptor, written = tempfile.mkstemp(dir=folder)  # of mode 0600
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(written, path)  # fails where another process was first, whose key then counts
        except OSError:
            if not path.exists():  # a file system without hard links
                os.replace(written, path)
        finally:
            Path(written).unlink(missing_ok=True)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise MissingKey(f"{path} is damaged: {len(key)} bytes, {KEY_BYTES} are needed")
    return key


def secret_of(services: Services, api_key_id: str) -> str:
    """Derives the secret that a receiver verifies deliveries with, as `whsec_...`."""
    digest = hmac.new(services.webhook_key, api_key_id.encode(), hashlib.sha256).digest()
    return "whsec_" + base64.b64encode(digest).decode()


def check_address(services: Services, url: str) -> None:
    """Raises BadWebhook unless this is a public https address."""
    _target(services, url)


def _target(services: Services, url: str) -> tuple[httpx2.URL, str]:
    """Returns the address by its number, and the host's name. What was checked is what is connected to."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise BadWebhook("the webhook is no address") from error
    private = services.settings.webhooks_to_private_networks
    if parsed.scheme != "https" and not (private and parsed.scheme == "http"):
        raise BadWebhook("a webhook must be an https address")
    if not parsed.host or parsed.userinfo:
        raise BadWebhook("a webhook needs a host and no password")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parsed.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadWebhook(f"the webhook's host {parsed.host[:100]!r} is not known") from error
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    if not private and not all(address.is_global for address in addresses):
        raise BadWebhook("a webhook must not lead into a private network")
    return parsed.copy_with(host=str(addresses[0]), port=port), parsed.netloc.decode()


def deliver(services: Services, job_id: str) -> None:
    """Sends the state of a finished job once. Raises NotDelivered."""
    with transaction(services.engine) as session:
        job = session.get(Job, job_id)
    if job is None or job.webhook is None or job.api_key_id is None:
        return
    try:
        target, host = _target(services, job.webhook)
    except BadWebhook as error:
        raise NotDelivered(str(error)) from error
    body = as_wire(job).model_dump_json()
    sent_at = datetime.now(UTC)
    signature = Webhook(secret_of(services, job.api_key_id)).sign(job.id, sent_at, body)
    headers = {
        "Host": host,
        "Content-Type": "application/json",
        "webhook-id": job.id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": signature,
    }
    try:
        with httpx2.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
            response = client.post(
                target,
                content=body,
                headers=headers,
                extensions={"sni_hostname": host.rpartition(":")[0] or host},
            )
    except httpx2.HTTPError as error:
        raise NotDelivered(f"no answer: {error}") from error
    if not response.is_success:
        raise NotDelivered(f"answered with status {response.status_code}")
