"""What was done by an act cannot be undone in the database unseen."""

from sdk.keys import thumbprint
from sdk.models import Role
from sdk.records import AssetClass
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


def test_a_review_that_was_turned_round_removed_or_made_up_is_found(world: World) -> None:
    lab, reviewer = world.enrol("Lab", Role.RESEARCHER), world.enrol("Reviewers", Role.REVIEWER)
    subjects = ("cat", "coffee", "rocket", "astronaut")
    turned, removed, made_up, erased = (
        world.register(lab, encoded(subject), subject, AssetClass.KNOWN_FAKE).record.id
        for subject in subjects
    )
    for reviewed in (turned, removed, erased):
        reviewer.client.review_fake(reviewed, confirmed=True, reason="Compared with the film.")
        reviewer.client.review_fake(reviewed, confirmed=False, reason="It is a parody.")
    lab.client.erase(erased)
    world.audit()
    world.tamper("UPDATE fake_review SET confirmed = true WHERE record_id = :id", id=turned)
    world.tamper("DELETE FROM fake_review WHERE record_id = :id", id=removed)
    world.tamper(
        "INSERT INTO fake_review VALUES (now(), :id, :by, true, 'x')", id=made_up, by=reviewer.publisher.id
    )
    found = {
        finding.detail.partition(" has not the review")[0] for finding in world.operator.audit().findings
    }
    assert found == {f"record {record}" for record in (turned, removed, made_up)}
