"""Rotates or retires the log's key and kills itself at a chosen write; driven by test_rotation_survives.

    python -m tests.faults.rotates SETTINGS_JSON

Reads one JSON object a line (step, write to die at) and forks a child for each, as `tests.faults.dies`.
"""

import sys

from registry.operate.bootstrap import open_log
from registry.operate.key_rotation import retire_log_key, rotate_log_key
from registry.settings import Settings
from registry.storage.db import connect, transaction
from tests.faults.dies import SURVIVED, Countdown, obey, watch

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


if __name__ == "__main__":
    SETTINGS = Settings.model_validate_json(sys.argv[1])
    obey(lambda order: change_and_die(SETTINGS, order["step"], order["deadly"]))
