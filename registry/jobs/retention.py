"""Deletes what decisions say once the time is over that their organisation set."""

from time import monotonic

from registry.gate.decisions import forget_what_is_over, platforms_with_decisions
from registry.records.acts import REGISTRY
from registry.services import Services
from registry.storage.db import transaction

LOOK_EVERY_S = 3600.0


class Retention:
    """Looks once an hour; used by one thread at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looked_at = -LOOK_EVERY_S

    def look(self) -> None:
        """Deletes what is over, some thousands in one transaction, if the last look was an hour ago."""
        if monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = monotonic()
        with transaction(self._services.engine) as session:
            platforms = platforms_with_decisions(session)
        for platform in platforms:  # each in transactions of its own: nobody waits for another's
            forgotten = 1
            while forgotten:
                with transaction(self._services.engine) as session:
                    forgotten = forget_what_is_over(session, REGISTRY, platform)
