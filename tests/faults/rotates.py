"""Rotates or retires the log's key and kills itself at a chosen write; driven by test_rotation_survives.

    python -m tests.faults.rotates SETTINGS_JSON

Reads one JSON object a line (step, write to die at) and forks a child for each, as `tests.faults.dies`.
"""

import json
import os
import sys

from registry.operate.bootstrap import open_log
from registry.operate.key_rotation import retire_log_key, rotate_log_key
from registry.settings import Settings
from registry.storage.db import connect, transaction
from tests.faults.dies import SURVIVED, Countdown, watch

STEPS = {"rotate": rotate_log_key, "retire": retire_log_key}


def change_and_die(settings: Settings, step: str, deadly: int) -> int:
    """The child's whole life; returns only if `deadly` lies beyond the last write."""
    assert settings.database_url is not None
    engine = connect(settings.database_url)
    countdown = Countdown(deadly)
    watch(engine, countdown)
    countdown.armed = True
    log = open_log(settings)
    with transaction(engine) as session:
        log.keys.adopt(session)
        STEPS[step](session, log)
    with transaction(engine) as session:
        log.publish(session)
    return SURVIVED


def main() -> None:
    settings = Settings.model_validate_json(sys.argv[1])
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = change_and_die(settings, order["step"], order["deadly"])
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
