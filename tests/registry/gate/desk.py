"""What the tests of decisions begin with: two platforms under one policy, and what they decided."""

import itertools
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from registry.gate.asking import Question, prepare
from registry.storage.models import ApiKey, DecisionEntry
from sdk.models import Decision, GateContext
from tests.pictures import encoded
from tests.world import Party, World

PACK = """\
pack: small
version: 1.0.0
title: What the platform's own classifier says
summary: Refuses what is called bad, holds what is called odd, and publishes the rest.
labels:
  known: {en: Known}
rules:
  - {id: bad, when: "'bad' in upload.signals", then: refuse, why: It is bad.}
  - {id: text, when: "upload.text.contains('forbidden')", then: refuse, why: It says what nobody may say.}
  - {id: odd, when: "'odd' in upload.signals", then: hold, why: It is odd.}
  - {id: adult, when: "'adult' in upload.signals", then: age_gate, why: It is for adults.}
  - {id: dull, when: "'dull' in upload.signals", then: demote, why: It is dull.}
  - {id: known, when: match.sure, then: label, label: known, why: It is known.}
"""
numbers = itertools.count()


@dataclass(frozen=True)
class Desk:
    """Two platforms under the same policy, and what one of them decided."""

    world: World
    platform: Party
    rival: Party
    first: Decision  # labelled, by a match; with every optional field
    reviewed: Decision  # held, then refused by a person

    def ask(
        self, content: bytes, *, party: Party | None = None, key: str | None = None, **said: Any
    ) -> Decision:
        client = (party or self.platform).client
        return client.gate(content, GateContext.model_validate(said), idempotency_key=key)

    def entries(self, party: Party | None = None) -> list[DecisionEntry]:
        platform = (party or self.platform).publisher.id
        with Session(self.world.engine) as session:
            rows = select(DecisionEntry).where(DecisionEntry.publisher_id == platform)
            return list(session.exec(rows.order_by(col(DecisionEntry.number))))


def new_picture() -> bytes:
    """Bytes of a picture that nobody sent before."""
    return encoded("hubble") + b"#" * next(numbers)


def question(desk: Desk, session: Session, sha256: str, key: str) -> Question:
    """What is asked of the gate about a file of this digest, before it is decided."""
    row = session.get(ApiKey, desk.platform.api_key.id)
    assert row is not None
    registry_key = desk.world.services.webhook_key
    asked = prepare(session, registry_key, row, GateContext(), sha256, sha256, key, "https://example.org")
    assert isinstance(asked, Question)
    return asked
