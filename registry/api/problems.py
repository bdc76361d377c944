"""Answers every error with an RFC 9457 problem document of a stable code. What was sent is never echoed."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from obstore.exceptions import BaseError as BlobError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from indexer.index.port import EngineUnavailable
from registry.errors import (
    PROBLEM_TYPE_BASE,
    BadPack,
    DiskFull,
    IndexUnavailable,
    InvalidRequest,
    MediaTooLarge,
    NestedTooDeep,
    NotAuthenticated,
    RegistryError,
    StorageAway,
)
from registry.storage.faults import fault_of
from sdk.flaws import flaws_in_words
from sdk.models import FingerprintQuery, GateContext, Problem

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
CODES_BY_STATUS = {408: "too_slow", 404: "not_found", 405: "method_not_allowed", 413: MediaTooLarge.code}
NO_SUCH_METHOD = 405
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TOO_SLOW = 408, "The request did not arrive in time"
HTTP_ERROR, STORAGE_FAILED = "http_error", "storage_failed"
OWN_CODES = (*CODES_BY_STATUS.values(), HTTP_ERROR, STORAGE_FAILED)
SCHEMA = "#/components/schemas/{model}"


def problem(
    status: int, code: str, title: str, detail: str, *, retry_after_s: int | None = None, **members: Any
) -> JSONResponse:
    """Makes the answer that carries a problem document."""
    body = {
        "type": PROBLEM_TYPE_BASE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **members,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == NotAuthenticated.status else {}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def _field_at(place: tuple[int | str, ...]) -> str:
    """The name of a field of body, form, query or header; empty for the whole body."""
    names = place[1:]
    # Of a body that is no JSON the place is the number of a character.
    return "" if names and isinstance(names[0], int) else ".".join(map(str, names))


def _methods_at(request: Request) -> list[str]:
    """All methods of the address, of however many routes (RFC 9110, section 15.5.6)."""
    routes: list[BaseRoute] = request.app.router.routes
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def problem_answer(error: RegistryError) -> JSONResponse:
    """Makes the answer to a request that failed with one of the registry's own errors."""
    members = {"flaws": [flaw.model_dump() for flaw in error.flaws]} if isinstance(error, BadPack) else {}
    return problem(
        error.status, error.code, error.title, str(error), retry_after_s=error.retry_after_s, **members
    )


def storage_answer(error: Exception, watched: RegistryError | None = None) -> JSONResponse:
    """Makes the answer to a request that database or disk refused, or did not answer.

    `watched`: what the watch says of the database. It shuts connections to one that hangs: then it is that,
    and not gone.
    """
    if watched is not None:
        return problem_answer(watched)
    fault = fault_of(error)
    if fault is None or isinstance(fault, StorageAway):
        # Handled here, not as unknown: an unknown error also costs the caller's connection.
        logger.error("not stored: %s", fault or "unknown", exc_info=error)
    if fault is not None:
        return problem_answer(fault)
    return problem(500, STORAGE_FAILED, "The registry could not store this", "nothing was stored")


def describe(app: FastAPI) -> None:
    """Lets the OpenAPI document say that operations fail with problems, in place of FastAPI's own."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document["components"]["schemas"]
        problem_schema = Problem.model_json_schema(ref_template=SCHEMA)
        schemas.update(problem_schema.pop("$defs"))
        schemas["Problem"] = problem_schema
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        _describe_parts(schemas)
        failure = {
            "description": Problem.__doc__,
            "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA.format(model="Problem")}}},
        }
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = failure
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _describe_parts(schemas: dict[str, Any]) -> None:
    """Says what the parts of the gate's form hold that are JSON in a text."""
    for name, kind in (("context", GateContext), ("fingerprints", FingerprintQuery)):
        schema = kind.model_json_schema(ref_template=SCHEMA)
        schemas.update(schema.pop("$defs", {}))
        schemas[kind.__name__] = schema
        field = schemas["Body_decide"]["properties"][name]
        said = {
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": SCHEMA.format(model=kind.__name__)},
        }
        next((one for one in field.get("anyOf", ()) if one.get("type") == "string"), field).update(said)


def install(app: FastAPI) -> None:
    """Adds one handler for each family of errors, so that no endpoint catches any."""

    @app.exception_handler(RegistryError)
    def known(_: Request, error: RegistryError) -> JSONResponse:
        return problem_answer(error)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        flaws = list(flaws_in_words(error.errors()))
        fields = [{"field": _field_at(place), "reason": words} for place, words in flaws]
        detail = "; ".join(f"{field['field'] or 'body'}: {field['reason']}" for field in fields)
        return problem(
            InvalidRequest.status, InvalidRequest.code, InvalidRequest.title, detail, fields=fields
        )

    @app.exception_handler(HTTPException)
    def plain(request: Request, error: HTTPException) -> JSONResponse:
        # A form that cannot be spooled, because the disk is full, is no bad form.
        if error.__cause__ is not None and isinstance(fault_of(error.__cause__), StorageAway):
            return problem_answer(DiskFull("the upload cannot be received"))
        if isinstance(error.__cause__, RecursionError):
            return problem_answer(NestedTooDeep("the request cannot be read"))
        code = CODES_BY_STATUS.get(error.status_code, HTTP_ERROR)
        answer = problem(error.status_code, code, str(error.detail), "")
        if error.status_code == NO_SUCH_METHOD:
            answer.headers["Allow"] = ", ".join(_methods_at(request))
        if error.status_code == TOO_SLOW[0]:
            answer.headers["Connection"] = "close"
        return answer

    @app.exception_handler(SQLAlchemyError)
    def database(request: Request, error: SQLAlchemyError) -> JSONResponse:
        services = getattr(request.app.state, "services", None)
        return storage_answer(error, services.database.fault if services else None)

    @app.exception_handler(BlobError)
    def blobs(_: Request, error: Exception) -> JSONResponse:
        return storage_answer(error)

    @app.exception_handler(OSError)
    def disk(_: Request, error: OSError) -> JSONResponse:
        return storage_answer(error) if fault_of(error) else unknown(_, error)

    @app.exception_handler(RecursionError)
    def nested(_: Request, error: RecursionError) -> JSONResponse:
        return problem_answer(NestedTooDeep("the request cannot be read"))

    @app.exception_handler(UnicodeEncodeError)
    def half_a_character(_: Request, error: UnicodeEncodeError) -> JSONResponse:
        # JSON can name half of a character ("\ud800"), which no text in UTF-8 holds.
        return problem_answer(InvalidRequest("a value holds characters that are no text"))

    @app.exception_handler(EngineUnavailable)
    def engine(_: Request, error: EngineUnavailable) -> JSONResponse:
        return known(_, IndexUnavailable(str(error)))

    @app.exception_handler(Exception)
    def unknown(_: Request, error: Exception) -> JSONResponse:
        return problem_answer(RegistryError("this was logged; nothing was stored"))
