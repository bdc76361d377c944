"""One day of each role, through HTTP with the real SDK; each ends in a clean audit."""

import asyncio
import base64

import pytest
from PIL import Image

from sdk.async_client import AsyncClient
from sdk.checkpoint import parse_verifier_key, verify_checkpoint
from sdk.client import Client
from sdk.errors import NotAllowed, NotAuthenticated, NotFound, Unreachable
from sdk.keys import generate_key, public_jwk, thumbprint
from sdk.merkle import verify_consistency
from sdk.models import NewApiKey, NewPublisher, Role, Scope, VerdictKind
from sdk.possession import prove_possession
from sdk.records import AssetClass, sign_statement
from sdk.verify import verify_receipt
from tests.pictures import encoded, flat, picture
from tests.portraits import swapped
from tests.world import World


def test_a_publisher_registers_the_days_pictures_and_keeps_receipts(world: World) -> None:
    desk = world.enrol("Daily Example", scopes=(Scope.REGISTER, Scope.MATCH, Scope.MANAGE_KEYS))
    receipts = [world.register(desk, encoded(name), f"{name}.jpg").receipt for name in ("coffee", "cat")]
    log = world.operator.log_state()
    for receipt in receipts:
        verify_receipt(receipt, log_key=log.log_key, publisher_kid=thumbprint(desk.key))
    # A colleague's key is added, the old one rotated out, a mistake withdrawn, a person's data erased.
    new_key = generate_key()
    desk.client.rotate_key(
        desk.publisher.id,
        thumbprint(desk.key),
        public_jwk(new_key),
        prove_possession(new_key, desk.publisher.id),
    )
    rocket = desk.statement(encoded("rocket"), "rocket.jpg")
    kept = desk.client.register(encoded("rocket"), sign_statement(rocket, new_key)).record
    listed = desk.client.list_records(limit=2)
    assert [record.label for record in listed] == ["rocket.jpg", "cat.jpg"]
    older = desk.client.list_records(before=listed[-1].log_index)
    assert [record.label for record in older] == ["coffee.jpg"]
    desk.client.withdraw(older[0].id)
    desk.client.erase(listed[1].id)
    assert desk.client.match(encoded("rocket", quality=50)).matches[0].record.id == kept.id
    assert desk.client.match(encoded("coffee")).matches == ()
    world.audit()


def test_a_platform_asks_before_it_publishes(world: World) -> None:
    desk, platform = world.enrol("Daily Example"), world.enrol("Chat service", Role.PLATFORM)
    for name in ("coffee", "cat", "rocket"):
        world.register(desk, encoded(name), name)
    uploads = {
        VerdictKind.REGISTERED_ORIGINAL: encoded("cat", quality=45),
        VerdictKind.DERIVATIVE_OF_ORIGINAL: encoded(
            picture("cat").transpose(Image.Transpose.FLIP_LEFT_RIGHT), quality=70
        ),
        VerdictKind.NOT_IN_REGISTRY: encoded("astronaut"),
        VerdictKind.NOT_FINGERPRINTABLE: flat(),
    }
    for kind, upload in uploads.items():
        answer = platform.client.match(upload)
        assert answer.verdict.kind is kind
        assert answer.verdict.sentence
        assert answer.index.lag == 0
        assert answer.signature
        assert all(match.evidence is None for match in answer.matches)
    with pytest.raises(NotAllowed):
        world.register(platform, encoded("hubble"))
    world.audit()


def test_a_platform_asks_about_many_uploads_at_once(world: World) -> None:
    desk = world.enrol("Daily Example")
    for name in ("coffee", "cat"):
        world.register(desk, encoded(name), name)

    async def ask() -> list[str]:
        async with AsyncClient(world.url, desk.api_key.secret) as client:
            names = ("coffee", "cat", "astronaut", "rocket") * 2
            answers = await asyncio.gather(*(client.match(encoded(name, quality=60)) for name in names))
            return [answer.matches[0].record.label if answer.matches else "-" for answer in answers]

    assert asyncio.run(ask()) == ["coffee", "cat", "-", "-"] * 2
    world.audit()


def test_a_researcher_registers_a_known_fake_with_its_original(world: World) -> None:
    desk, lab = world.enrol("Daily Example"), world.enrol("A lab", Role.RESEARCHER)
    original = world.register(desk, encoded("astronaut"), "portrait").record
    fake = world.register(
        lab, encoded(swapped()), "forgery 12", AssetClass.KNOWN_FAKE, derived_from=(original.id,)
    ).record
    assert fake.disputed_with == ()
    answer = lab.client.match(encoded(swapped().resize((400, 400)), quality=55))
    assert answer.verdict.kind is VerdictKind.KNOWN_FAKE
    found = {match.record.id: match for match in answer.matches}
    assert set(found) == {original.id, fake.id}
    assert found[fake.id].evidence is not None
    assert [source.target for source in found[fake.id].record.declared_sources] == [original.id]
    world.audit()


def test_a_reviewer_reads_the_evidence_of_a_disputed_claim(world: World) -> None:
    first, second = world.enrol("First desk"), world.enrol("Second desk")
    reviewer = world.enrol("A reviewer", Role.REVIEWER)
    ours = world.register(first, encoded("coffee"), "ours").record
    theirs = world.register(second, encoded("coffee", quality=60), "no, ours").record
    answer = reviewer.client.match(encoded("coffee", quality=80))
    assert answer.verdict.kind is VerdictKind.DISPUTED
    assert {match.record.id for match in answer.matches} == {ours.id, theirs.id}
    for match in answer.matches:
        assert match.evidence is not None
        assert match.evidence.pdq_distance is not None
        assert match.record.disputed_with
    with pytest.raises(NotAllowed):
        reviewer.client.withdraw(ours.id)
    world.audit()


def test_an_operator_enrols_watches_the_log_and_audits(world: World) -> None:
    before = world.operator.log_state()
    publisher = world.operator.enrol(NewPublisher(name="New desk", contact="desk@example.org"))
    key = generate_key()
    world.operator.add_key(publisher.id, public_jwk(key), prove_possession(key, publisher.id))
    issued = world.operator.issue_api_key(
        NewApiKey(publisher=publisher.id, scopes=(Scope.REGISTER, Scope.MATCH))
    )
    client = world.client(issued.secret)
    assert client.who_am_i().issuer == publisher.issuer
    assert [publisher.name for publisher in client.list_publishers()] == ["Operator", "New desk"]
    after = world.operator.log_state()
    assert after.size == before.size + 1
    key_of_log = parse_verifier_key(after.log_key)
    old, new = (verify_checkpoint(state.checkpoint, key_of_log) for state in (before, after))
    hashes = [base64.b64decode(hash_text) for hash_text in client.consistency(old.size, new.size).hashes]
    verify_consistency(old.size, new.size, hashes, old.root, new.root)
    world.operator.revoke_api_key(issued.id)
    with pytest.raises(NotAuthenticated):
        client.who_am_i()
    with pytest.raises(NotFound):
        world.operator.get_record("00000000-0000-0000-0000-000000000000")
    world.audit()


def test_a_registry_that_is_away_is_a_clear_error(world: World) -> None:
    address = world.url
    world.stop()
    with Client(address) as client, pytest.raises(Unreachable, match="no answer from http"):
        client.log_state()
    world.start()
    world.audit()


def test_the_operator_is_told_what_was_tampered_with(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"), "coffee")
    world.audit()
    world.tamper("UPDATE record SET label = 'forged'")
    report = world.operator.audit()
    assert not report.clean
    assert [finding.what for finding in report.findings] == ["record"]
