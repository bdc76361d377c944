"""Registers one picture in a registry and kills itself at a chosen write; driven by test_kill.

    python -m tests.faults.dies SETTINGS_JSON API_KEY_ID

A process that imports everything and opens nothing reads one JSON object a line (statement, picture,
write to die at, file to leave when the registration was acknowledged) and forks a child for each, so that
a hundred deaths are cheap. A write is a changing statement, a commit, a blob, or a step of publishing the
checkpoint; death comes just before or just after it.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore
from sqlalchemy import Engine, event

from registry.app import running_services
from registry.publish.registration import describe, known_answer, register_upload, verify_request
from registry.settings import Settings
from registry.storage.db import connect, transaction
from registry.storage.models import ApiKey
from tests.world import SeededEmbedder

SURVIVED = 7
IDEMPOTENCY_KEY = "the-same-request"


class Countdown:
    """Kills this process at step number `deadly`."""

    def __init__(self, deadly: int) -> None:
        self._deadly = deadly
        self._steps = 0
        self.armed = False

    def step(self) -> None:
        if not self.armed:
            return
        self._steps += 1
        if self._steps == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(engine: Engine, countdown: Countdown) -> None:
    """Count every write, before and after it happens."""

    def on_statement(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            countdown.step()

    event.listen(engine, "before_cursor_execute", on_statement)
    event.listen(engine, "after_cursor_execute", on_statement)
    event.listen(engine, "commit", lambda _connection: countdown.step())
    for module, name in ((obstore, "put"), (os, "fsync"), (os, "replace"), (os, "link")):
        setattr(module, name, _counted(getattr(module, name), countdown))


def _counted(real: Any, countdown: Countdown) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        countdown.step()
        result = real(*args, **kwargs)
        countdown.step()
        return result

    return call


def register_and_die(
    settings: Settings, api_key_id: str, statement: str, content: bytes, deadly: int, acknowledgement: Path
) -> int:
    """The child's whole life; returns only if `deadly` lies beyond the last write."""
    assert settings.database_url is not None
    engine = connect(settings.database_url)
    countdown = Countdown(deadly)
    watch(engine, countdown)
    with running_services(settings, engine, SeededEmbedder()) as services:
        countdown.armed = True
        with transaction(engine) as session:
            api_key = session.get(ApiKey, api_key_id)
            assert api_key is not None
            request = verify_request(session, api_key, statement, content, IDEMPOTENCY_KEY)
            if known_answer(services, session, request) is None:
                register_upload(services, session, request, describe(services, request, content))
        acknowledgement.write_bytes(b"acknowledged")
        countdown.armed = False
    return SURVIVED


def obey(act_and_die: Callable[[dict[str, Any]], int]) -> None:
    """Reads an order a line, does each in a child of its own, and prints how that child ended."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = act_and_die(order)
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def main() -> None:
    settings = Settings.model_validate_json(sys.argv[1])

    def register(order: dict[str, Any]) -> int:
        content = Path(order["content"]).read_bytes()
        acknowledgement = Path(order["acknowledgement"])
        return register_and_die(
            settings, sys.argv[2], order["statement"], content, order["deadly"], acknowledgement
        )

    obey(register)


if __name__ == "__main__":
    main()
