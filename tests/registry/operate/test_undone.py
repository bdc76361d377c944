"""What was done by an act cannot be undone in the database unseen."""

from sdk.keys import thumbprint
from tests.pictures import encoded
from tests.world import World


def test_what_an_act_did_cannot_be_undone_unseen(world: World) -> None:
    desk, other = world.enrol("One desk"), world.enrol("Another desk")
    gone = world.register(desk, encoded("cat"), "gone").record
    desk.client.withdraw(gone.id)
    manager = world.operator
    manager.revoke_key(other.publisher.id, thumbprint(other.key))
    manager.revoke_api_key(other.api_key.id)
    world.tamper("UPDATE record SET status = 'active' WHERE id = :id", id=gone.id)
    world.tamper("UPDATE publisher_key SET revoked_at = NULL")
    world.tamper("UPDATE api_key SET revoked_at = NULL")
    found = {finding.detail.partition(",")[0] for finding in manager.audit().findings}
    assert {
        f"record {gone.id} is active",
        f"key {thumbprint(other.key)} is not revoked",
        f"API key {other.api_key.id} is not revoked",
    } <= found


def test_a_record_that_was_given_to_another_publisher_is_found(world: World) -> None:
    desk, other = world.enrol("One desk"), world.enrol("Another desk")
    record = world.register(desk, encoded("cat"), "theirs").record
    world.tamper("UPDATE record SET publisher_id = :other", other=other.publisher.id)
    [finding] = world.operator.audit().findings
    assert finding.detail == f"record {record.id} is of another publisher than the key that signed it"
