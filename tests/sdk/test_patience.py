import asyncio

import httpx2
import pytest

from sdk import patience
from sdk.async_client import AsyncClient
from sdk.client import Client
from sdk.errors import ServerError, TooManyRequests, Unreachable
from sdk.models import LogState, NewPublisher, Role

STATE = {"origin": "here/log", "size": 0, "checkpoint": "", "log_key": ""}
NEW = NewPublisher(name="Daily Example", contact="desk@example.org", role=Role.PUBLISHER)


class Registry(httpx2.MockTransport):
    """Refuses the first few requests, then answers."""

    def __init__(self, refusals: int, status: int, code: str, retry_after: bytes | None = b"0") -> None:
        super().__init__(self._answer)
        self._refusals, self._status, self._code, self._retry_after = refusals, status, code, retry_after
        self.asked = 0

    def _answer(self, _: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        if self.asked > self._refusals:
            return httpx2.Response(200, json=STATE)
        headers = [] if self._retry_after is None else [(b"Retry-After", self._retry_after)]
        return httpx2.Response(self._status, json={"code": self._code}, headers=headers)


@pytest.mark.parametrize(
    ("status", "code"), [(429, "too_many_requests"), (503, "overloaded"), (503, "disk_full")]
)
def test_what_is_refused_for_now_is_sent_again(status: int, code: str) -> None:
    registry = Registry(2, status, code)
    assert isinstance(Client("http://here", transport=registry).log_state(), LogState)
    assert registry.asked == 3

    async def the_same() -> LogState:
        async with AsyncClient("http://here", transport=Registry(2, status, code)) as client:
            return await client.log_state()

    assert isinstance(asyncio.run(the_same()), LogState)


@pytest.mark.parametrize("said", [None, b"Mon, 30 Nov 2026 12:00:00 GMT", b"\xb2"])
def test_what_says_no_time_is_an_error_at_once(said: bytes | None) -> None:
    registry = Registry(1, 503, "index_unavailable", retry_after=said)
    with pytest.raises(ServerError) as refusal:
        Client("http://here", transport=registry).log_state()
    assert (registry.asked, refusal.value.retry_after_s) == (1, None)


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)
    registry = Registry(1, 429, "too_many_requests", retry_after=b"7")
    with pytest.raises(TooManyRequests) as refusal:
        Client("http://here", transport=registry).log_state()
    assert (registry.asked, refusal.value.retry_after_s) == (1, 7.0)


def test_what_may_have_been_done_is_not_done_twice() -> None:
    registry = Registry(1, 503, "database_unavailable")
    with pytest.raises(ServerError):
        Client("http://here", transport=registry).enrol(NEW)
    assert registry.asked == 1
    refused = Registry(9, 429, "too_many_requests")  # before it was begun
    with pytest.raises(Unreachable):  # its answer is none of an enrolment
        Client("http://here", transport=refused).enrol(NEW)
    assert refused.asked == 10
