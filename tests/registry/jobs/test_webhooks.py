"""What a webhook's receiver, a stranger's server, can do to the registry."""

import asyncio
import datetime
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlmodel import select

from registry.errors import BadWebhook
from registry.jobs import webhooks
from registry.jobs.webhooks import NotDelivered, check_address, deliver
from registry.storage.db import transaction
from registry.storage.models import ApiKey, Job
from registry.storage.models.jobs import DONE, MATCH
from tests.world import DatabaseServer, World

PUBLIC, PRIVATE = "93.184.215.14", "10.0.0.8"
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000000\r\n\r\n"
MOST_BUFFERED = 32 << 20  # by the kernel, of what nobody reads
Talk = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def world(database_server: DatabaseServer, scratch: Path) -> Iterator[World]:
    """One that may deliver to this machine; no job is worked on."""
    with World(
        database_server, scratch / "webhooks", video_workers=0, webhooks_to_private_networks=True
    ) as made:
        yield made


@pytest.fixture(scope="module")
def careful(database_server: DatabaseServer, scratch: Path) -> Iterator[World]:
    """One as it is by default."""
    with World(database_server, scratch / "careful", video_workers=0) as made:
        yield made


@contextmanager
def receiver(talk: Talk) -> Iterator[tuple[int, list[bytes]]]:
    """Serves `talk` on a loopback port; what each connection sent first is remembered."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(10)
                    heard.append(connection.recv(1 << 16))
                    talk(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def delivered(world: World, url: str) -> None:
    """Delivers the state of a finished job to an address. Raises NotDelivered."""
    job_id = str(uuid.uuid4())
    with transaction(world.engine) as session:
        key = session.exec(select(ApiKey)).one()  # the operator's
        session.add(
            Job(id=job_id, kind=MATCH, status=DONE, api_key_id=key.id, payload_key=None, webhook=url)
        )
    asyncio.run(deliver(world.services, job_id))


def resolver(found: dict[str, list[list[str]]]) -> Callable[..., Any]:
    """Stands for DNS: a name's addresses by turns, the last for ever."""
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *given: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in found:
            return real(host, port, *given, **named)
        addresses = found[name].pop(0) if len(found[name]) > 1 else found[name][0]
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in zip(families, addresses, strict=True)
        ]

    return look_up


def test_an_answer_of_three_gigabytes_is_not_read(world: World) -> None:
    sent = [0]

    def talk(connection: socket.socket) -> None:
        connection.sendall(ENDLESS)
        piece = bytes(1 << 20)
        while sent[0] < 3_000_000_000:
            connection.sendall(piece)
            sent[0] += len(piece)

    with receiver(talk) as (port, heard):
        delivered(world, f"http://127.0.0.1:{port}/endless")
    assert len(heard) == 1
    assert sent[0] <= MOST_BUFFERED


def test_a_head_of_gigabytes_is_no_answer(world: World) -> None:
    sent = [0]

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        line = b"X: " + b"x" * 8000 + b"\r\n"
        while sent[0] < 3_000_000_000:
            connection.sendall(line)
            sent[0] += len(line)

    with receiver(talk) as (port, _), pytest.raises(NotDelivered):
        delivered(world, f"http://127.0.0.1:{port}/head")
    assert sent[0] <= MOST_BUFFERED


def test_a_receiver_that_answers_a_byte_at_a_time_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DELIVERED_WITHIN_S", 0.5)
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
            connection.sendall(bytes([byte]))
            if over.wait(0.1):
                return

    with receiver(talk) as (port, _):
        with pytest.raises(NotDelivered, match=r"within 0\.5 seconds"):
            delivered(world, f"http://127.0.0.1:{port}/slow")
        over.set()


def test_a_redirect_is_not_followed(world: World) -> None:
    with receiver(lambda connection: connection.sendall(TAKEN)) as (behind, reached):
        location = (
            f"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{behind}/\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        with (
            receiver(lambda connection: connection.sendall(location.encode())) as (port, _),
            pytest.raises(NotDelivered, match="status 307"),
        ):
            delivered(world, f"http://127.0.0.1:{port}/moved")
    assert reached == []


def test_the_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second time it would lead elsewhere.
    monkeypatch.setattr(
        socket, "getaddrinfo", resolver({"receiver.example": [["127.0.0.1"], ["127.0.0.9"], []]})
    )
    with receiver(lambda connection: connection.sendall(TAKEN)) as (port, heard):
        delivered(world, f"http://receiver.example:{port}/hook")
    assert f"\r\nHost: receiver.example:{port}\r\n".encode() in heard[0]
    assert socket.getaddrinfo("receiver.example", 1)[0][4][0] == "127.0.0.9"


def test_of_several_addresses_the_next_is_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver({"two.example": [["::1", "127.0.0.1"]]}))
    with receiver(lambda connection: connection.sendall(TAKEN)) as (port, heard):
        delivered(world, f"http://two.example:{port}/hook")
    assert len(heard) == 1


def test_tls_asks_for_the_name_and_wants_its_certificate(world: World, tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = own_certificate(tmp_path)
    context.sni_callback = lambda _, name, __: asked.append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            context.wrap_socket(connection, server_side=True).recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener, pytest.raises(NotDelivered, match="certificate"):
        delivered(world, f"https://localhost:{listener.getsockname()[1]}/hook")
    thread.join()
    assert asked == ["localhost"]


def own_certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "own.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "224.0.0.1",
        "192.88.99.1",
        "[fec0::1]",
        "[2002:7f00:1::]",
        "localhost",
        "169.254.169.254",
    ],
)
def test_however_a_private_address_is_written_it_is_refused(careful: World, host: str) -> None:
    with pytest.raises(BadWebhook, match=r"private network|not known|no address"):
        check_address(careful.services, f"https://{host}/hook")


def test_a_name_with_one_private_address_is_refused(
    careful: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    none: list[str] = []
    names = {"mixed.example": [[PUBLIC, PRIVATE]], "public.example": [[PUBLIC]], "none.example": [none]}
    monkeypatch.setattr(socket, "getaddrinfo", resolver(names))
    check_address(careful.services, "https://public.example/hook")
    for name in ("mixed.example", "none.example"):
        with pytest.raises(BadWebhook, match="private network"):
            check_address(careful.services, f"https://{name}/hook")


def test_a_name_that_turned_private_is_not_connected_to(
    careful: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"rebound.example": [[PUBLIC], ["127.0.0.1"]]}
    monkeypatch.setattr(socket, "getaddrinfo", resolver(names))
    check_address(careful.services, "https://rebound.example/hook")
    with pytest.raises(NotDelivered, match="private network"):
        delivered(careful, "https://rebound.example/hook")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"http://{PUBLIC}/hook", "https"),
        (f"https://{PUBLIC}:22/hook", "port 443"),
        (f"https://{PUBLIC}:8443/hook", "port 443"),
        (f"https://user:secret@{PUBLIC}/hook", "no password"),
        ("https:///hook", "host"),
        ("ftp://example.org/hook", "https"),
    ],
)
def test_only_https_to_an_allowed_port_is_taken(careful: World, url: str, why: str) -> None:
    check_address(careful.services, f"https://{PUBLIC}/hook")
    with pytest.raises(BadWebhook, match=why):
        check_address(careful.services, url)


def test_an_operator_may_allow_other_ports(database_server: DatabaseServer, home: Path) -> None:
    with World(database_server, home, video_workers=0, webhook_ports="443, 8443") as other:
        check_address(other.services, f"https://{PUBLIC}:8443/hook")
        with pytest.raises(BadWebhook, match="port 443, 8443"):
            check_address(other.services, f"https://{PUBLIC}:22/hook")
