"""Works on a registry's jobs until it is killed; driven by test_jobs_survive.

python -m tests.faults.works SETTINGS_JSON
"""

import sys
import time

from registry.app import running_services
from registry.settings import Settings
from registry.storage.db import connect
from tests.world import SeededEmbedder


def main() -> None:
    settings = Settings.model_validate_json(sys.argv[1])
    assert settings.database_url is not None
    with running_services(settings, connect(settings.database_url), SeededEmbedder()):
        time.sleep(600)


if __name__ == "__main__":
    main()
