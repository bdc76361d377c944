"""A small platform that asks Trueprint's gate before it publishes an upload: docs/middleware.md says how.

Put in place of what is here: who is logged in (`uploader_of`) and where files lie (`Shelf`). What the gate
has not decided about lies in `held`, and is asked about again: after an outage, a lost webhook, a review.
"""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from sdk import AsyncClient, SdkError
from sdk.errors import ProblemError
from sdk.models import Audience, Decision, DecisionState, GateContext, Outcome
from sdk.webhooks import BadDelivery, verify_delivery

DEADLINE_S = 5.0  # within which the registry decides, or answers with `on_failure`
AWAY_AFTER_S = 10.0  # the deadline, and what the file needs on its way
LOOK_AGAIN_S = 60.0
LOOKED_FOR_S = 7 * 86_400  # what is held for longer only your people end
MOST_BYTES = 50 << 20
MOST_WEBHOOK_BYTES = 1 << 20
ON_FAILURE = {"allow": Outcome.ALLOW, "hold": Outcome.HOLD, "refuse": Outcome.REFUSE}
log = logging.getLogger("uploads")


class Note(BaseModel):
    """What is remembered of an upload, beside its file."""

    context: GateContext  # the same is sent when it is asked about again
    outcome: Outcome
    decision: str | None = None  # id; None: the registry has not decided
    failed: bool = False  # it answered `on_failure`, and may know more by now
    label: str | None = None  # to be shown beside the upload

    @property
    def is_open(self) -> bool:
        """Whether it may still come to another outcome."""
        return self.outcome is Outcome.HOLD or self.decision is None or self.failed


class Shelf:
    """Two folders; in each, of every upload, a file under our own name for it and its note."""

    def __init__(self, root: Path) -> None:
        self._held, self._published = root / "held", root / "published"
        for folder in (self._held, self._published):
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, ref: str, content: bytes, note: Note) -> None:
        """Stores an upload; first where nobody sees it, so that half a file is never published."""
        if note.outcome is not Outcome.REFUSE:
            self._note(self._held, ref).write_text(note.model_dump_json(), "utf-8")
            (self._held / ref).write_bytes(content)
            self.move(ref, note)

    def move(self, ref: str, note: Note) -> None:
        """Publishes, holds or deletes what is stored, as its note says now."""
        here = self._folder_of(ref)
        if here is None:
            return
        there = {Outcome.HOLD: self._held, Outcome.REFUSE: None}.get(note.outcome, self._published)
        if there is None:
            (here / ref).unlink()
        else:
            self._note(there, ref).write_text(note.model_dump_json(), "utf-8")
            (here / ref).replace(there / ref)
        if there != here:
            self._note(here, ref).unlink(missing_ok=True)

    def read(self, ref: str) -> tuple[bytes, Note] | None:
        """An upload and its note; None: there is none (any more)."""
        folder = self._folder_of(ref)
        if folder is None:
            return None
        note = Note.model_validate_json(self._note(folder, ref).read_text("utf-8"))
        return (folder / ref).read_bytes(), note

    def open(self) -> Iterator[str]:
        """The uploads that may still come to another outcome."""
        for path in (*self._held.glob("*.json"), *self._published.glob("*.json")):
            is_young = path.stat().st_mtime > time.time() - LOOKED_FOR_S
            if is_young and Note.model_validate_json(path.read_text("utf-8")).is_open:
                yield path.stem

    def _folder_of(self, ref: str) -> Path | None:
        is_ours = len(ref) == 32 and ref.isalnum()  # and no path
        return next((at for at in (self._held, self._published) if is_ours and (at / ref).is_file()), None)

    @staticmethod
    def _note(folder: Path, ref: str) -> Path:
        return folder / f"{ref}.json"


class Gate:
    """Asks the registry, and does what it says."""

    def __init__(
        self, registry: AsyncClient, shelf: Shelf, on_failure: Outcome, webhook: str | None
    ) -> None:
        self._registry, self._shelf, self._webhook = registry, shelf, webhook
        self.on_failure = on_failure

    async def ask(self, content: bytes, context: GateContext) -> Decision | None:
        """The decision; None: there is none, and `on_failure` it is.

        The key is our own name of the upload: asked twice, it is decided about once.
        """
        key = context.content_ref
        # A video is held at once, and its webhook ends that.
        asked = self._registry.gate(content, context, idempotency_key=key, webhook=self._webhook)
        return await self._answered(key, asked)

    async def _answered(self, ref: str | None, asked: Awaitable[Decision]) -> Decision | None:
        # Of an upload nothing is logged but our own name for it.
        try:
            async with asyncio.timeout(AWAY_AFTER_S):
                return await asked
        except TimeoutError:
            log.warning("%s: the registry did not answer within %g s", ref, AWAY_AFTER_S)
        except ProblemError as error:
            log.error("%s: the registry answered %s %s", ref, error.status, error.code)
        except SdkError as error:
            log.warning("%s: %s", ref, error)
        return None

    def noted(self, context: GateContext, decision: Decision | None) -> Note:
        """What is remembered of an upload that was decided about, or not."""
        if decision is None:
            return Note(context=context, outcome=self.on_failure)
        label = decision.label.text if decision.label else None
        failed = decision.state is DecisionState.FAILED
        return Note(
            context=context, outcome=decision.outcome, decision=decision.id, failed=failed, label=label
        )

    async def look_again(self, ref: str) -> bool:
        """Does what is decided about an upload by now; whether the registry answered."""
        stored = await asyncio.to_thread(self._shelf.read, ref)
        if stored is None:
            return True
        content, note = stored
        if note.decision is None:
            decision = await self.ask(content, note.context)
        else:
            decision = await self._answered(ref, self._registry.get_decision(note.decision))
        new = self.noted(note.context, decision)
        if decision is not None and new != note:
            await asyncio.to_thread(self._shelf.move, ref, new)
        return decision is not None

    async def keep_looking(self) -> None:
        """Looks again at all that is open, now and every minute; until it is cancelled."""
        while True:
            for ref in await asyncio.to_thread(lambda: list(self._shelf.open())):
                try:
                    await self.look_again(ref)
                except Exception:  # one upload must not end the rest
                    log.exception("%s: not looked at", ref)
            await asyncio.sleep(LOOK_AGAIN_S)


def uploader_of(request: Request) -> str:
    """Who is logged in: ask your own session. The registry keeps a digest of it only."""
    return "somebody"


def answer_to_uploader(ref: str, note: Note, decision: Decision | None) -> JSONResponse:
    """What the uploader is told, with the gate's status: 200, 202 or 451."""
    told: dict[str, object] = {"ref": ref, "outcome": note.outcome, "label": note.label}
    if decision is None and note.outcome is Outcome.REFUSE:
        return JSONResponse({"error": "try again later"}, 503, {"Retry-After": "60"})
    if decision is not None and decision.statement is not None and decision.outcome is not Outcome.ALLOW:
        told["reasons"] = decision.statement.paragraphs
        told["explained_at"], told["dispute_at"] = decision.links.explain, decision.links.dispute
    return JSONResponse(told, note.outcome.http_status)


async def read_at_most(request: Request, most: int) -> bytes:
    """The body. Raises HTTPException: it is longer."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413)
    return bytes(body)


def create_app(environment: Mapping[str, str] = os.environ) -> FastAPI:
    """The platform. Raises KeyError for a setting that is missing."""
    registry = AsyncClient(environment["TRUEPRINT_URL"], environment["TRUEPRINT_API_KEY"])
    secret = environment["TRUEPRINT_WEBHOOK_SECRET"]
    shelf = Shelf(Path(environment["UPLOADS"]))
    on_failure = ON_FAILURE[environment.get("ON_FAILURE", "hold")]
    gate = Gate(registry, shelf, on_failure, environment.get("WEBHOOK_URL"))

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(gate.keep_looking())
        async with registry:
            yield
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    app = FastAPI(lifespan=running, title="A small platform")

    @app.post("/upload")
    async def upload(
        request: Request, file: UploadFile, accept_language: Annotated[str, Header()] = "en"
    ) -> JSONResponse:
        """Asks, and then publishes (200), holds (202) or refuses (451)."""
        if file.size is None or file.size > MOST_BYTES:
            raise HTTPException(413)
        content, ref = await file.read(), uuid.uuid4().hex
        language = accept_language[:2].lower()
        context = GateContext(
            content_ref=ref,
            uploader_ref=uploader_of(request),
            audience=Audience.PUBLIC,
            language=language if language.isalpha() and language.isascii() else "en",
            deadline_ms=round(DEADLINE_S * 1000),
            on_failure=on_failure,
        )
        decision = await gate.ask(content, context)
        note = gate.noted(context, decision)
        await asyncio.to_thread(shelf.put, ref, content, note)
        return answer_to_uploader(ref, note, decision)

    @app.post("/webhooks/trueprint", status_code=204)
    async def told_by_registry(request: Request) -> Response:
        """A video is done: its newest decision is asked for, so that deliveries may come late or twice."""
        body = await read_at_most(request, MOST_WEBHOOK_BYTES)
        try:
            decision = verify_delivery(secret, request.headers, body).decision
        except BadDelivery:
            raise HTTPException(401) from None
        ref = decision.content_ref if decision else None
        if ref is not None and not await gate.look_again(ref):
            raise HTTPException(503)  # it is delivered again
        return Response(status_code=204)

    return app
