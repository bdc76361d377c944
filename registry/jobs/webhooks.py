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
import logging
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from standardwebhooks.webhooks import Webhook

from registry.errors import BadWebhook, MissingKey
from registry.jobs.lifecycle import as_wire
from registry.jobs.public_addresses import is_public
from registry.services import Services
from registry.settings import WEBHOOK_KEY, WEBHOOK_KEY_BYTES
from registry.storage.db import transaction
from registry.storage.models import Job
from registry.storage.secret_file import make_secret_file

TIMEOUT_S = 10.0  # to connect, and for each piece that is sent or received
DELIVERED_WITHIN_S = 20.0  # one delivery in all
ADDRESSES_TRIED = 4
logger = logging.getLogger(__name__)


class NotDelivered(Exception):
    """The receiver did not take the delivery; it is tried again."""


def load_key(folder: Path) -> tuple[bytes, str | None]:
    """Reads the key that secrets are derived from; also what is wrong with it, as a sentence.

    A registry is set up with it. Where it was lost it is made anew, and that is remembered beside it.
    Raises MissingKey where it is damaged.
    """
    path = folder / WEBHOOK_KEY
    lost = path.with_name(f"{path.name}.lost")
    if not path.exists():
        lost.write_text(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n", encoding="utf-8")
        make_secret_file(path, WEBHOOK_KEY_BYTES)
    key = path.read_bytes()
    if len(key) != WEBHOOK_KEY_BYTES:
        raise MissingKey(f"{path} is damaged: {len(key)} bytes, {WEBHOOK_KEY_BYTES} are needed")
    if not lost.exists():
        return key, None
    at = lost.read_text(encoding="utf-8").strip()
    fault = (
        f"{path.name} was lost, and made anew at {at}: receivers of webhooks refuse what is sent. "
        f"Restore it from your backup, or have them ask for their new secret; then remove {lost}"
    )
    logger.error(fault)
    return key, fault


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
