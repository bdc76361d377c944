"""Sends statements of reasons to the DSA Transparency Database: each once, and none is forgotten.

What was sent is remembered (`dsa_memory`): before statements are sent that they are, and after the database
has answered how; each is durable before the next step. Whoever is killed between the two does not know
whether they arrived, and the database is asked before anything is sent again. It refuses a `puid` that it
has, so that a statement is there once whatever becomes of its answers.

The database: https://transparency.dsa.ec.europa.eu/page/api-documentation

SdkError
├── BadAddress      statements are not sent there
├── BadToken        no such token can be sent, or the database refuses it
├── DatabaseAway    it did not answer, for longer than is waited
├── NotTheDatabase  what answers there is something else
└── BadMemory       the file is of another database, in use, or was written by somebody else
"""

import ipaddress
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
from pydantic import JsonValue

from sdk.dsa_memory import PUID, REFUSED, SENDING, THERE, Memory
from sdk.encodings import BadEncoding, parse_object
from sdk.errors import SdkError
from sdk.flaws import fault_in_words
from sdk.patience import SPREAD, retry_after_s

MOST_IN_A_BATCH = 100  # that the database takes
TIMEOUT_S = 120.0  # of each step: whoever answers a byte at a time would never exceed it
ANSWER_WITHIN_S = 300.0  # from the request on, to the last byte of its answer
MOST_TRIES = 8  # of one request
FIRST_PAUSE_S, MOST_BACKOFF_S = 1.0, 60.0
MOST_RETRY_AFTER_S = 600.0  # whoever asks for more is asked again by the next run
MOST_ANSWER_BYTES = 16 << 20
MOST_REASON = 500  # characters
API = "/api/v1"
NO_ANSWER, CREATED, FOUND, NOT_FOUND, BUSY = 0, 201, 302, 404, 429
REFUSALS, TOKEN_REFUSALS = (400, 413, 422), (401, 403)

Statement = Mapping[str, JsonValue]


class BadAddress(SdkError):
    """Statements are not sent there: no address, or one that others can listen to."""


class BadToken(SdkError):
    """No such token can be sent, or the database refuses it. The token itself is never said."""


class DatabaseAway(SdkError):
    """The database did not answer, or was busy for longer than is waited; run it again."""


class NotTheDatabase(SdkError):
    """What answers there does not answer as the database does."""


@dataclass(frozen=True)
class RefusedStatement:
    """A statement that the database does not take, and its reason."""

    puid: str
    reason: str


@dataclass(frozen=True)
class Sent:
    """What became of some statements."""

    sent: int = 0  # that the database said it has created
    already_there: int = 0  # that it had, be it from a run or a try whose answer was lost
    remembered: int = 0  # that it was known to have; it was not asked
    refused: tuple[RefusedStatement, ...] = ()
    # Begun by a run before, not in the database and not among those given now: give them again.
    missing: tuple[str, ...] = ()


def send_statements(
    statements: Iterable[Statement],
    address: str,
    token: str,
    memory: Path,
    *,
    transport: httpx2.BaseTransport | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Sent:
    """Sends what the database does not have yet, in batches; may be run again at any time.

    `memory`: the file of what was sent, one for each database, kept for as long as statements are sent.
    Raises BadAddress, BadToken, DatabaseAway, NotTheDatabase, BadMemory; what was sent before that is
    remembered.
    """
    base = _checked_address(address)
    with Memory(memory, base) as kept, _Database(base, token, transport) as database:
        sender = _Sender(database, kept, pause)
        for batch in sender.batches(statements):
            sender.send(batch)
        sender.settle_others()
        return Sent(
            sender.sent,
            sender.already_there,
            sender.remembered,
            tuple(sender.refused),
            tuple(sender.missing),
        )


def _checked_address(address: str) -> str:
    """The address without what the calls add to it. Raises BadAddress."""
    try:
        parts = urlsplit(address.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or parts.query or parts.fragment:
        raise BadAddress("the address of the database is as https://transparency.dsa.ec.europa.eu")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("the address of the database holds no name and no password")
    if parts.scheme == "http" and not _is_loopback(host):
        raise BadAddress(f"statements and the token are sent to {host} by https only")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(API)}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class _Answer:
    """What the database said; status 0: nothing, and `words` says why."""

    status: int
    document: dict[str, Any] = field(default_factory=dict)
    retry_after_s: float | None = None
    words: str = ""

    @property
    def is_for_now(self) -> bool:
        """Whether the same may do better later."""
        return self.status in (NO_ANSWER, BUSY) or self.status >= 500

    def reason(self) -> str:
        """What the database says of a refusal, in one line."""
        errors = self.document.get("errors")
        said = str(self.document.get("message") or f"status {self.status}")
        if isinstance(errors, dict) and errors:
            said = "; ".join(f"{name}: {_joined(words)}" for name, words in errors.items())
        return "".join(letter if letter.isprintable() else " " for letter in said)[:MOST_REASON]


def _joined(words: object) -> str:
    return " ".join(map(str, words)) if isinstance(words, list) else str(words)


def _says_created(document: dict[str, Any], statements: list[Statement], *, alone: bool) -> bool:
    """Whether the database says it: with the statement, or with as many in `statements` as were sent."""
    if alone:
        return document.get("puid") == statements[0]["puid"]
    created = document.get("statements")
    return isinstance(created, list) and len(created) == len(statements)


class _Database:
    """One request at a time; knows what answers mean, not what is to be done about them."""

    def __init__(self, base: str, token: str, transport: httpx2.BaseTransport | None) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise BadToken("a token of the database is one word of letters, digits and signs")
        self.base = base
        # Compressed, an answer may come for long without a byte of it: its time would not be looked at.
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        try:
            # No redirect is followed: a token is for one address, and 302 says that a statement is there.
            self._http = httpx2.Client(
                base_url=base, headers=headers, timeout=TIMEOUT_S, transport=transport
            )
        except httpx2.InvalidURL:
            raise BadAddress("no such address can be reached") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def store(self, statements: list[Statement], *, alone: bool) -> _Answer:
        """All of them are created, or none."""
        document = statements[0] if alone else {"statements": statements}
        answer = self._ask("POST", f"{API}/statement" if alone else f"{API}/statements", document)
        is_created = answer.status == CREATED and _says_created(answer.document, statements, alone=alone)
        if not is_created and answer.status not in REFUSALS and not answer.is_for_now:
            raise self._unexpected(answer)
        return answer

    def look_up(self, puid: str) -> _Answer:
        """302 with a statement where it is there, 404 where it is not."""
        answer = self._ask("GET", f"{API}/statement/existing-puid/{puid}", None)
        # A redirect elsewhere names another statement, or none.
        is_there = answer.status == FOUND and answer.document.get("puid") == puid
        if not is_there and answer.status != NOT_FOUND and not answer.is_for_now:
            raise self._unexpected(answer)
        return answer

    def _ask(self, method: str, path: str, document: object) -> _Answer:
        content, more = bytearray(), {"Content-Type": "application/json"}
        body = None if document is None else json.dumps(document).encode()
        latest = time.monotonic() + ANSWER_WITHIN_S
        try:
            with self._http.stream(method, path, content=body, headers=more) as response:
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MOST_ANSWER_BYTES:
                        break
                    if time.monotonic() > latest:
                        words = f"does not come to an end of its answer within {ANSWER_WITHIN_S:g} s"
                        return _Answer(NO_ANSWER, words=words)
        except httpx2.HTTPError as error:
            return _Answer(NO_ANSWER, words=f"does not answer: {fault_in_words(error)}")
        if response.status_code in TOKEN_REFUSALS:
            raise BadToken(
                f"{self.base} refuses the token (status {response.status_code}): a token that was replaced "
                "is no longer valid, and one of the sandbox is not valid elsewhere"
            )
        try:
            said = parse_object(bytes(content))
        except BadEncoding:
            said = {}
        words = f"answers with status {response.status_code}"
        return _Answer(response.status_code, said, retry_after_s(response), words)

    def _unexpected(self, answer: _Answer) -> NotTheDatabase:
        return NotTheDatabase(f"{self.base} {answer.words}: is that the address of the database?")


class _Sender:
    """One run."""

    def __init__(self, database: _Database, memory: Memory, pause: Callable[[float], None]) -> None:
        self._database, self._memory, self._pause = database, memory, pause
        self.sent = self.already_there = self.remembered = 0
        self.refused: list[RefusedStatement] = []
        self.missing: list[str] = []

    def batches(self, statements: Iterable[Statement]) -> Iterator[dict[str, Statement]]:
        """Those that the database is not known to have, by puid."""
        batch: dict[str, Statement] = {}
        for statement in statements:
            puid = statement.get("puid")
            if not isinstance(puid, str) or not PUID.fullmatch(puid):
                self.refused.append(
                    RefusedStatement("", "puid: is missing, or none that the database takes")
                )
            elif puid in batch or self._memory.states.get(puid) == THERE:
                self.remembered += 1
            else:
                batch[puid] = statement
            if len(batch) == MOST_IN_A_BATCH:
                yield batch
                batch = {}
        if batch:
            yield batch

    def send(self, batch: dict[str, Statement]) -> None:
        """Sends what of a batch is not there yet. One that is refused does not hold up the others."""
        self._settle(batch, [puid for puid in batch if self._memory.states.get(puid) == SENDING])
        # One that was refused before may be so again, and its whole batch with it.
        alone = {puid: one for puid, one in batch.items() if self._memory.states.get(puid) == REFUSED}
        together = {puid: one for puid, one in batch.items() if puid not in alone}
        if self._deliver(together, alone=False) is not None:
            alone |= together
        for puid, statement in alone.items():
            refusal = self._deliver({puid: statement}, alone=True)
            if refusal is not None:
                self._refused(puid, refusal)

    def settle_others(self) -> None:
        """Asks for those whose answer a run before did not get, and which were not given to this one."""
        for puid in [puid for puid, state in self._memory.states.items() if state == SENDING]:
            if self._is_there(puid):
                self._found([puid])
            else:
                self.missing.append(puid)

    def _deliver(self, batch: dict[str, Statement], *, alone: bool) -> _Answer | None:
        """Sends until it is there; a refusal is returned. What is found to be there leaves the batch."""
        tries = 0
        while batch:
            self._memory.note(SENDING, batch)
            answer = self._database.store(list(batch.values()), alone=alone)
            if answer.status == CREATED:
                self._memory.note(THERE, batch)
                self.sent += len(batch)
                return None
            if not answer.is_for_now:
                return answer
            tries = self._wait(answer, tries)
            if answer.status != BUSY:  # it may have been stored and the answer lost, here or at a gateway
                self._settle(batch, list(batch), tries)
        return None

    def _settle(self, batch: dict[str, Statement], unsure: list[str], tries: int = 0) -> None:
        there = [puid for puid in unsure if self._is_there(puid, tries)]
        self._found(there)
        for puid in there:
            del batch[puid]

    def _is_there(self, puid: str, tries: int = 0) -> bool:
        """`tries`: that failed just before. What its index does not show yet, it refuses to store again."""
        while True:
            answer = self._database.look_up(puid)
            if not answer.is_for_now:
                return answer.status == FOUND
            tries = self._wait(answer, tries)

    def _found(self, puids: list[str]) -> None:
        self._memory.note(THERE, puids)
        self.already_there += len(puids)

    def _refused(self, puid: str, refusal: _Answer) -> None:
        if "existing" in refusal.document:
            self._found([puid])
            return
        self._memory.note(REFUSED, [puid])
        self.refused.append(RefusedStatement(puid, refusal.reason()))

    def _wait(self, answer: _Answer, tries: int) -> int:
        """Pauses as the database says, else longer each time. Raises DatabaseAway instead of too long."""
        seconds = answer.retry_after_s
        if seconds is None:
            seconds = min(FIRST_PAUSE_S * 2**tries, MOST_BACKOFF_S)
        if tries + 1 >= MOST_TRIES or seconds > MOST_RETRY_AFTER_S:
            asks = f" and asks for {seconds:g} s" if answer.retry_after_s is not None else ""
            raise DatabaseAway(
                f"{self._database.base} {answer.words}{asks}; {self.sent} statements were sent before and "
                "are remembered: run it again to go on"
            )
        self._pause(seconds * (1 + SPREAD * random.random()))
        return tries + 1
