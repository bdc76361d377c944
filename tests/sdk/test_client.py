"""The clients believe nothing of what answers in a registry's place."""

import asyncio

import httpx2
import pytest

from sdk import client
from sdk.async_client import AsyncClient
from sdk.client import Client
from sdk.errors import Unreachable

PREVIEW = bytes(2000)


def answering(content: bytes, status: int = 200) -> httpx2.MockTransport:
    return httpx2.MockTransport(lambda _: httpx2.Response(status, content=content))


def said_by_both(transport: httpx2.MockTransport) -> str:
    with pytest.raises(Unreachable) as said, Client("http://here:81", transport=transport) as blocking:
        blocking.log_keys()

    async def the_same() -> None:
        async with AsyncClient("http://here:81", transport=transport) as waiting:
            await waiting.log_keys()

    with pytest.raises(Unreachable, match=str(said.value)):
        asyncio.run(the_same())
    return str(said.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"origin": 1}', b"<html></html>"])
def test_an_answer_that_no_registry_gives_is_said_in_plain_words(content: bytes) -> None:
    assert (
        said_by_both(answering(content))
        == "here:81 answers /v1/log/keys as no registry of this version does"
    )
    with pytest.raises(Unreachable, match="no registry"):
        Client("http://here", transport=answering(b"[]")).jwks()


@pytest.mark.parametrize("status", [200, 404])
def test_json_without_an_end_is_not_read(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(client, "MOST_JSON_BYTES", 1000)
    assert "with more than 1000 bytes" in said_by_both(answering(b" " * 1001, status))
    assert Client("http://here", transport=answering(PREVIEW)).preview("a") == PREVIEW, (
        "a picture may be longer"
    )
