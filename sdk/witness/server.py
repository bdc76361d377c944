"""Serves a witness over HTTP: `add-checkpoint`, and what it cosigned last of each log.

Bodies are bounded in size and time here, connections by `sdk.bounded_connections`.
"""

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sdk.add_checkpoint import MAXIMUM_REQUEST_BYTES
from sdk.bounded_connections import BoundedProtocol
from sdk.witness.cosigning import Answer, Witness
from sdk.witness.state import BadState

BODY_WITHIN_S = 10.0
STOPPED_WITHIN_S = 2  # what is being answered when the process is told to stop
TOO_LARGE = Answer(413, f"a request has at most {MAXIMUM_REQUEST_BYTES} bytes\n")
TOO_SLOW = Answer(408, "the request did not arrive in time\n")


def create_app(witness: Witness) -> Starlette:
    """Makes the application."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body_of(request)
        answer = await run_in_threadpool(witness.add_checkpoint, body) if isinstance(body, bytes) else body
        # As a header: of a media type Starlette would make another, with a charset.
        return Response(answer.body, answer.status, {"Content-Type": answer.media_type})

    async def newest(request: Request) -> Response:
        try:
            note = await run_in_threadpool(witness.newest, request.path_params["log"])
        except BadState:
            return PlainTextResponse("this cannot be read now\n", 500)
        if note is None:
            return PlainTextResponse("no checkpoint of this log was cosigned here\n", 404)
        return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})

    async def about(_: Request) -> Response:
        return PlainTextResponse(f"A witness of transparency logs.\n{witness.key.text()}\n")

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{log}/checkpoint", newest, methods=["GET"]),
            Route("/", about, methods=["GET"]),
        ]
    )


async def _body_of(request: Request) -> bytes | Answer:
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAXIMUM_REQUEST_BYTES:
                    return TOO_LARGE
    except (TimeoutError, ClientDisconnect):
        return TOO_SLOW
    return body


def serve(witness: Witness, listener: socket.socket) -> None:
    """Serves until the process is told to stop."""
    config = uvicorn.Config(
        create_app(witness),
        http=BoundedProtocol,
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=STOPPED_WITHIN_S,
    )
    uvicorn.Server(config).run(sockets=[listener])
