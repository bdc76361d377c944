"""Notifies callers of finished jobs: signed after Standard Webhooks, never into a private network.

A receiver is a stranger's server. Its name is looked up once for a delivery, every address that it leads to
is checked, and one of these is connected to; redirects are not followed; of its answer the status is read
and no more. The secret of an API key is derived from a key of this registry, so that it need not be stored.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from standardwebhooks.webhooks import Webhook

from registry.errors import BadWebhook, MissingKey
from registry.jobs.lifecycle import as_wire
from registry.jobs.public_addresses import is_public
from registry.services import Services
from registry.storage.db import transaction
from registry.storage.models import Job

KEY_BYTES = 32
TIMEOUT_S = 10.0  # to connect, and for each piece that is sent or received
DELIVERED_WITHIN_S = 20.0  # one delivery in all
ADDRESSES_TRIED = 4
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


@dataclass(frozen=True)
class _Target:
    """Where a delivery goes: what was checked is what is connected to."""

    url: httpx2.URL
    addresses: tuple[str, ...]  # that its name led to, each checked
    port: int

    @property
    def name(self) -> str:
        """The host as TLS is asked for it, and as its certificate is compared with it."""
        return self.url.raw_host.decode()

    @property
    def host(self) -> str:
        """The host as the receiver is told that it was asked for."""
        return self.url.netloc.decode()

    def at(self, address: str) -> httpx2.URL:
        return self.url.copy_with(host=address, port=self.port)


def check_address(services: Services, url: str) -> None:
    """Raises BadWebhook unless this is a public https address."""
    _target(services, url)


def _target(services: Services, url: str) -> _Target:
    """Reads an address, and looks its name up once. Raises BadWebhook."""
    settings = services.settings
    private = settings.webhooks_to_private_networks
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise BadWebhook("the webhook is no address") from error
    if parsed.scheme != "https" and not (private and parsed.scheme == "http"):
        raise BadWebhook("a webhook must be an https address")
    if not parsed.host or parsed.userinfo:
        raise BadWebhook("a webhook needs a host and no password")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    if not private and port not in settings.webhook_port_numbers:
        allowed = ", ".join(map(str, settings.webhook_port_numbers))
        raise BadWebhook(f"a webhook must lead to port {allowed}")
    return _Target(parsed, _addresses(parsed, port, private=private), port)


def _addresses(url: httpx2.URL, port: int, *, private: bool) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(url.raw_host.decode(), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadWebhook(f"the webhook's host {url.host[:100]!r} is not known") from error
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    # All of them: a name that leads to a public and to a private address is meant to be tried twice.
    if not addresses or not (private or all(map(is_public, addresses))):
        raise BadWebhook("a webhook must not lead into a private network")
    return tuple(dict.fromkeys(map(str, addresses)))[:ADDRESSES_TRIED]


async def deliver(services: Services, job_id: str) -> None:
    """Sends the state of a finished job once, within DELIVERED_WITHIN_S. Raises NotDelivered."""
    try:
        async with asyncio.timeout(DELIVERED_WITHIN_S):
            await _deliver(services, job_id)
    except TimeoutError as error:
        raise NotDelivered(f"not taken within {DELIVERED_WITHIN_S:g} seconds") from error


async def _deliver(services: Services, job_id: str) -> None:
    job = await asyncio.to_thread(_job, services, job_id)
    if job is None or job.webhook is None or job.api_key_id is None:
        return
    try:
        target = await asyncio.to_thread(_target, services, job.webhook)
    except BadWebhook as error:
        raise NotDelivered(str(error)) from error
    body = as_wire(job).model_dump_json()
    sent_at = datetime.now(UTC)
    signature = Webhook(secret_of(services, job.api_key_id)).sign(job.id, sent_at, body)
    headers = {
        "Host": target.host,
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "webhook-id": job.id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": signature,
    }
    status = await _post(target, body, headers)
    if not 200 <= status < 300:
        raise NotDelivered(f"answered with status {status}")


def _job(services: Services, job_id: str) -> Job | None:
    with transaction(services.engine) as session:
        return session.get(Job, job_id)


async def _post(target: _Target, body: str, headers: dict[str, str]) -> int:
    """The status that is answered. Nothing behind it is read: a receiver may send gigabytes."""
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
        for number, address in enumerate(target.addresses, start=1):
            sending = client.stream(
                "POST",
                target.at(address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": target.name},
            )
            try:
                async with sending as response:
                    return response.status_code
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if number == len(target.addresses):
                    raise NotDelivered(f"no connection: {error}") from error
            except httpx2.HTTPError as error:
                raise NotDelivered(f"no answer: {error}") from error
    raise AssertionError("every name that is found has an address")
