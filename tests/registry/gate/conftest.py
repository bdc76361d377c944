"""Two platforms that have decided, for a whole module."""

import pytest

from sdk import gate_calls
from sdk.models import GateContext, NewDecisionReview, Outcome, Role
from tests.pictures import encoded
from tests.registry.gate.desk import PACK, Desk
from tests.world import World


@pytest.fixture(scope="module")
def desk(world_of_module: World) -> Desk:
    world = world_of_module
    paper = world.enrol("Daily Example")
    world.register(paper, encoded("coffee"), "a cup")
    platform, rival = world.enrol("Chat", Role.PLATFORM), world.enrol("Board", Role.PLATFORM)
    for party in (platform, rival):
        party.client.send(gate_calls.add_pack(PACK))
        party.client.send(gate_calls.activate("small", "our policy"))
        content, said = encoded("coffee", quality=80), {"content_ref": "one", "uploader_ref": "alice-77"}
        first = party.client.gate(
            content, GateContext.model_validate(said), idempotency_key=f"first-of-{party.publisher.id}"
        )
        if party is platform:
            ours = first
    odd = GateContext.model_validate(
        {"signals": ("odd",), "content_ref": "two", "uploader_ref": "alice-77"}
    )
    held = platform.client.gate(encoded("cat"), odd)
    review = NewDecisionReview(by="Kim", reason="It is a fake.", confirmed=True, outcome=Outcome.REFUSE)
    reviewed = platform.client.send(gate_calls.review_decision(held.id, review))
    dry = GateContext.model_validate({"signals": ("bad",), "dry_run": True})
    platform.client.gate(encoded("rocket"), dry)
    assert ours.outcome is Outcome.LABEL
    return Desk(world, platform, rival, ours, reviewed)
