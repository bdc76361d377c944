"""What the DSA Transparency Database takes and how it answers, as published: a checker, and a server.

Written from its documentation and rules (shared/reference/policy.md, section 2), apart from the code that
makes statements and from that which sends them. Stricter in one thing: unknown fields are refused.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

MOST_STATEMENTS = 100
VISIBILITY = {
    f"DECISION_VISIBILITY_{one}"
    for one in (
        "CONTENT_REMOVED",
        "CONTENT_DISABLED",
        "CONTENT_DEMOTED",
        "CONTENT_AGE_RESTRICTED",
        "CONTENT_INTERACTION_RESTRICTED",
        "CONTENT_LABELLED",
        "OTHER",
    )
}
MONETARY = {f"DECISION_MONETARY_{one}" for one in ("SUSPENSION", "TERMINATION", "OTHER")}
PROVISION = {
    f"DECISION_PROVISION_{how}_{what}"
    for how in ("PARTIAL", "TOTAL")
    for what in ("SUSPENSION", "TERMINATION")
}
CONTENT = {
    f"CONTENT_TYPE_{one}"
    for one in ("APP", "AUDIO", "IMAGE", "PRODUCT", "SYNTHETIC_MEDIA", "TEXT", "VIDEO", "OTHER")
}
CATEGORY = {  # of sixteen, those that are about media
    f"STATEMENT_CATEGORY_{one}"
    for one in (
        "CYBER_VIOLENCE",
        "CYBER_VIOLENCE_AGAINST_WOMEN",
        "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
        "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
        "SCAMS_AND_FRAUD",
        "PROTECTION_OF_MINORS",
        "RISK_FOR_PUBLIC_SECURITY",
        "OTHER_VIOLATION_TC",
    )
}
KEYWORD = {
    f"KEYWORD_{one}"
    for one in (
        "NON_CONSENSUAL_MATERIAL_DEEPFAKE",
        "NON_CONSENSUAL_MATERIAL_DEEPFAKE_AGAINST_WOMEN",
        "NON_CONSENSUAL_IMAGE_SHARING",
        "NON_CONSENSUAL_IMAGE_SHARING_AGAINST_WOMEN",
        "MISINFORMATION_DISINFORMATION",
        "FEMALE_GENDERED_DISINFORMATION",
        "IMPERSONATION_ACCOUNT_HIJACKING",
        "DEFAMATION",
        "BIOMETRIC_DATA_BREACH",
        "CHILD_SEXUAL_ABUSE_MATERIAL_DEEPFAKE",
        "OTHER",
    )
}
SOURCE = {
    "SOURCE_ARTICLE_16",
    "SOURCE_TRUSTED_FLAGGER",
    "SOURCE_TYPE_OTHER_NOTIFICATION",
    "SOURCE_VOLUNTARY",
}
COUNTRY = set(
    re.findall(
        r"\w\w",
        "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK",
    )
)
YES_NO = {"Yes", "No"}
END_DATES = tuple(f"end_date_{one}_restriction" for one in ("visibility", "monetary", "service", "account"))
DECISIONS = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")
REQUIRED = (
    "decision_ground",
    "decision_facts",
    "content_type",
    "category",
    "content_date",
    "application_date",
    "source_type",
    "automated_detection",
    "automated_decision",
    "puid",
)

Check = Callable[[Any], str | None]  # what is wrong with a value; None: nothing


def _text(most: int) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str) or not value.strip():
            return "must be text that is not blank"
        return f"has {len(value)} characters, more than {most}" if len(value) > most else None

    return check


def _word(*words: str) -> Check:
    return lambda value: None if isinstance(value, str) and value in words else f"{value!r} is not allowed"


def _words(words: set[str]) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list) or not value:
            return "must be a list that is not empty"
        wrong = [one for one in value if not isinstance(one, str) or one not in words]
        return f"{wrong} are not allowed" if wrong else "says one thing twice" if _twice(value) else None

    return check


def _twice(values: list[str]) -> bool:
    return len(set(values)) < len(values)


def _form(pattern: str, most: int = 500) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str) or len(value) > most or not re.fullmatch(pattern, value, re.ASCII):
            return "has another form"
        return None

    return check


def _day(earliest: date) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return "must be a day as YYYY-MM-DD"
        try:
            day = date.fromisoformat(value)
        except ValueError:
            return "is no day"
        return None if earliest <= day <= date(2038, 1, 1) else f"must be from {earliest} to 2038-01-01"

    return check


FIELDS: dict[str, Check] = {
    "decision_visibility": _words(VISIBILITY),
    "decision_visibility_other": _text(500),
    "decision_monetary": _word(*MONETARY),
    "decision_monetary_other": _text(500),
    "decision_provision": _word(*PROVISION),
    "decision_account": _word("DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"),
    "account_type": _word("ACCOUNT_TYPE_BUSINESS", "ACCOUNT_TYPE_PRIVATE"),
    "decision_ground": _word("DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"),
    "illegal_content_legal_ground": _text(500),
    "illegal_content_explanation": _text(2000),
    "incompatible_content_ground": _text(500),
    "incompatible_content_explanation": _text(2000),
    "incompatible_content_illegal": _word(*YES_NO),
    "decision_ground_reference_url": _form(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?([/?#][!-~]*)?"),
    "decision_facts": _text(5000),
    "content_type": _words(CONTENT),
    "content_type_other": _text(500),
    "category": _word(*CATEGORY),
    "category_addition": _words(CATEGORY),
    "category_specification": _words(KEYWORD),
    "category_specification_other": _text(500),
    "territorial_scope": _words(COUNTRY),
    "content_language": _form(r"[A-Z]{2}"),
    "content_date": _day(date(2000, 1, 1)),
    "application_date": _day(date(2020, 1, 1)),
    **dict.fromkeys(END_DATES, _day(date(2020, 1, 1))),
    "source_type": _word(*SOURCE),
    "source_identity": _text(500),
    "automated_detection": _word(*YES_NO),
    "automated_decision": _word(
        "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED"
    ),
    "puid": _form(r"[a-zA-Z0-9_-]+"),
}


def flaws_of(statement: Any) -> list[str]:
    """Everything for which the database refuses a statement, each as "field: what is wrong with it"."""
    if not isinstance(statement, Mapping):
        return ["statement: must be an object"]
    return [f"{field}: {reason}" for field, reason in _flaws(statement)]


def _flaws(statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in statement.items():
        check = FIELDS.get(field)
        reason = check(value) if check else "is not a known field"
        if reason:
            yield field, reason
    yield from ((field, "is required") for field in REQUIRED if field not in statement)
    if not any(field in statement for field in DECISIONS):
        yield "decision_visibility", "is required where no other restriction is given"
    for field, condition, is_needed in _conditional(statement):
        if condition and is_needed and field not in statement:
            yield field, "is required here"
        if not condition and field in statement:
            yield field, "does not belong here"
    begins = statement.get("application_date")
    for field in END_DATES:
        if isinstance(begins, str) and isinstance(statement.get(field), str) and statement[field] < begins:
            yield field, "must not be before application_date"


def _conditional(statement: Mapping[str, Any]) -> Iterator[tuple[str, bool, bool]]:
    """Fields, whether they belong to what the statement says, and whether they must then be there."""

    def says(field: str, word: str) -> bool:
        value = statement.get(field)
        return word in value if isinstance(value, list) else word == value

    yield "decision_visibility_other", says("decision_visibility", "DECISION_VISIBILITY_OTHER"), True
    yield "decision_monetary_other", says("decision_monetary", "DECISION_MONETARY_OTHER"), True
    yield "content_type_other", says("content_type", "CONTENT_TYPE_OTHER"), True
    yield "category_specification_other", says("category_specification", "KEYWORD_OTHER"), False
    yield "account_type", "decision_account" in statement, False
    yield "source_identity", not says("source_type", "SOURCE_VOLUNTARY"), False
    illegal = says("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT")
    incompatible = says("decision_ground", "DECISION_GROUND_INCOMPATIBLE_CONTENT")
    for field in ("illegal_content_legal_ground", "illegal_content_explanation"):
        yield field, illegal, True
    for field in ("incompatible_content_ground", "incompatible_content_explanation"):
        yield field, incompatible, True
    yield "incompatible_content_illegal", incompatible, False


class DsaDatabase:
    """A stand-in for the database on a loopback port; tests see what it stored, and say how it fails."""

    def __init__(self, token: str) -> None:
        self.stored: dict[str, dict[str, Any]] = {}  # by puid; under `_lock`
        self.requests: list[
            tuple[str, str, int]
        ] = []  # method, path and number of statements; under `_lock`
        self.refused_statements: list[Any] = []  # under `_lock`
        self.lookups_lag = False  # the lookup knows nothing of what was stored last, as a search index may
        self.stored_one = threading.Event()  # set when something was stored
        self.may_answer = threading.Event()  # cleared: what was stored is not answered until it is set
        self.may_answer.set()
        self._token = token
        self._failures: list[tuple[int, str | None]] = []  # under `_lock`
        self._drops_before = self._drops_after = 0  # under `_lock`
        self._lock = threading.Lock()

    def fail(self, times: int, status: int = 503, retry_after: str | None = None) -> None:
        """Answers the next requests with this status."""
        self._failures += [(status, retry_after)] * times

    def drop(self, times: int, *, stored: bool) -> None:
        """Closes the next connections on which statements come without an answer, stored or not."""
        if stored:
            self._drops_after = times
        else:
            self._drops_before = times

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(
        self, method: str, path: str, token: str | None, body: bytes
    ) -> tuple[int, dict[str, Any], dict[str, str]] | None:
        """Status, body and headers; None: the connection is dropped."""
        with self._lock:
            document = _json_of(body)
            if method == "POST" and self._drops_before:
                self._drops_before -= 1
                return None
            if self._failures:
                status, retry_after = self._failures.pop(0)
                return status, {"message": "try later"}, {"Retry-After": retry_after} if retry_after else {}
            sent = document.get("statements") if path.endswith("/statements") else [document]
            count = len(sent) if isinstance(sent, list) and method == "POST" else 0
            self.requests.append((method, path, count))
            if token != f"Bearer {self._token}":
                return 401, {"message": "Unauthenticated."}, {}
            before = len(self.stored)
            status, answer = self._route(method, path, document)
            if len(self.stored) > before:
                self.stored_one.set()
                if self._drops_after:
                    self._drops_after -= 1
                    return None
        self.may_answer.wait()
        return status, answer, {}

    def _route(self, method: str, path: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("POST", "/api/v1/statement"):
            return self._store_one(document)
        if (method, path) == ("POST", "/api/v1/statements"):
            return self._store_many(document)
        if method == "GET" and path.startswith("/api/v1/statement/existing-puid/"):
            puid = path.rpartition("/")[2]
            if puid in self.stored and not self.lookups_lag:
                return 302, {"message": "statement of reason found", "puid": puid}
            return 404, {"message": "statement of reason not found", "puid": puid}
        return 404, {"message": "Not Found"}

    def _store_one(self, statement: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        errors = _errors_of(statement)
        if errors:
            self.refused_statements.append(statement)
            return 422, {"message": next(iter(errors.values()))[0], "errors": errors}
        puid = statement["puid"]
        if puid in self.stored:
            words = "The identifier given is not unique within this platform."
            return 422, {"message": words, "errors": {"puid": [words]}, "existing": {"puid": puid}}
        self.stored[puid] = statement
        return 201, {**statement, "uuid": "7d0d0f7c-3ba9-45ba-966a-ec621eb17225"}

    def _store_many(self, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """All of them or none."""
        statements = document.get("statements")
        if not isinstance(statements, list) or not 1 <= len(statements) <= MOST_STATEMENTS:
            words = f"The statements field must have between 1 and {MOST_STATEMENTS} items."
            return 422, {"message": words, "errors": {"statements": [words]}}
        errors = {f"statement_{number}": _errors_of(one) for number, one in enumerate(statements)}
        if any(errors.values()):
            return 422, {"errors": {name: found for name, found in errors.items() if found}}
        puids = [one["puid"] for one in statements]
        again = [puid for puid in puids if puid in self.stored or puids.count(puid) > 1]
        if again:
            words = "The platform identifier(s) are not all unique within this call."
            return 422, {"message": words, "errors": {"puid": [words], "existing_puids": again}}
        self.stored.update(zip(puids, statements, strict=True))
        return 201, {"statements": statements}


def _errors_of(statement: Any) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for flaw in flaws_of(statement):
        field, _, reason = flaw.partition(": ")
        errors.setdefault(field, []).append(reason)
    return errors


def _json_of(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _handler_of(database: DsaDatabase) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # an answer goes out in two pieces

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            answer = database.answer(self.command, self.path, self.headers["Authorization"], body)
            if answer is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, document, headers = answer
            content = json.dumps(document).encode()
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # whoever asked was killed
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
