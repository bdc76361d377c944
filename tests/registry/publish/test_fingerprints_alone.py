"""What somebody can claim who sends fingerprints and never shows the file."""

import hashlib
from dataclasses import replace

import pytest

from indexer.fingerprints.hashes import compute_hashes
from indexer.fingerprints.kinds import PDQ, Fingerprint, hamming
from indexer.fingerprints.pdq import compute_pdq, turned_codes
from registry.errors import InconsistentFingerprints
from registry.publish.fingerprints_alone import require_one_picture
from sdk.errors import BadRequest
from sdk.local import local_registration
from sdk.models import FingerprintQuery, FingerprintValue, MatchRelation, Role, Strength, VerdictKind
from sdk.records import AssetClass
from tests.pictures import NAMES, encoded, pixels
from tests.world import Party, World


def values_of(fingerprints: list[Fingerprint]) -> list[FingerprintValue]:
    return [
        FingerprintValue(value=one.text(), orientation=one.orientation, quality=one.quality)
        for one in fingerprints
    ]


def register(
    party: Party,
    fingerprints: list[Fingerprint],
    digest: str | None,
    asset_class: AssetClass = AssetClass.AUTHENTIC,
) -> str:
    values, issuer = values_of(fingerprints), party.publisher.issuer
    request = local_registration(values, issuer, asset_class, digest, "never shown", party.key)
    return party.client.register_fingerprints(request).record.id


@pytest.mark.parametrize("name", NAMES)
def test_the_eight_values_of_a_picture_follow_from_one(name: str) -> None:
    codes = compute_pdq(pixels(name))
    implied = turned_codes(codes[0].value)
    assert implied[0] == codes[0].value
    assert max(hamming(code.value, turned) for code, turned in zip(codes, implied, strict=True)) <= 32
    require_one_picture(tuple(compute_hashes(pixels(name))))


def test_values_that_are_not_of_one_picture_are_refused() -> None:
    codes = tuple(compute_pdq(pixels("coffee")))
    names = ("astronaut", "cat", "rocket", "hubble", "motorcycle", "camera", "coins")
    eight = (codes[0], *(replace(codes[1], orientation=n, value=compute_pdq(pixels(name))[0].value)
                         for n, name in enumerate(names, 1)))  # fmt: skip
    refused = {
        "eight pictures": eight,
        "two orientations changed over": (codes[0], replace(codes[1], orientation=5)),
        "two qualities": (codes[0], replace(codes[1], quality=51)),
        "no value of a picture": (Fingerprint(PDQ.name, bytes(31) + b"\1", 0, 100),),
    }
    for fingerprints in refused.values():
        with pytest.raises(InconsistentFingerprints):
            require_one_picture(fingerprints)
    require_one_picture(codes[:1])


def test_eight_pictures_in_one_registration_are_refused_by_a_stable_code(world: World) -> None:
    desk = world.enrol("Stranger")
    mixed = [
        replace(compute_pdq(pixels(name))[0], orientation=n) for n, name in enumerate(("cat", "coffee"))
    ]
    with pytest.raises(BadRequest) as error:
        register(desk, mixed, "ab" * 32)
    assert (error.value.status, error.value.code) == (422, "inconsistent_fingerprints")
    world.audit()


def test_a_digest_that_was_only_claimed_makes_no_upload_the_very_file(world: World) -> None:
    content = encoded("coffee", "PNG")
    digest = hashlib.sha256(content).hexdigest()
    stranger, paper = world.enrol("Stranger"), world.enrol("Daily Example")
    claimed = register(stranger, compute_pdq(pixels("cat")), digest)
    assert paper.client.match(content).verdict.kind is VerdictKind.NOT_IN_REGISTRY
    assert paper.client.compare(content, claimed).relation is None
    original = world.register(paper, content, "original").record
    verdict = paper.client.match(content).verdict
    assert (verdict.kind, verdict.record) == (VerdictKind.REGISTERED_ORIGINAL, original.id)
    assert not paper.client.get_record(claimed).media_seen
    world.audit()


@pytest.mark.parametrize("asset_class", [AssetClass.KNOWN_FAKE, AssetClass.AUTHENTIC])
def test_a_match_of_fingerprints_that_were_sent_says_so_and_is_moderate_at_most(
    world: World, asset_class: AssetClass
) -> None:
    content = encoded("coffee", "PNG")
    lab, paper = world.enrol("Lab", Role.RESEARCHER), world.enrol("Daily Example")
    codes = compute_hashes(pixels("coffee"))
    record = register(lab, codes, hashlib.sha256(content).hexdigest(), asset_class)
    by_hash = FingerprintQuery(fingerprints=tuple(values_of(codes)), digest_sha256="cd" * 32)
    uploads = [content, encoded("coffee", quality=60)]
    answers = [*map(paper.client.match, uploads), paper.client.match_fingerprints(by_hash)]
    for answer in answers:
        match = answer.matches[0]
        assert (answer.verdict.kind, match.record.id) == (VerdictKind.ONE_OF_THESE, record)
        assert match.strength is Strength.MODERATE
        assert match.relation is not MatchRelation.SAME_FILE
        assert not match.verified
        for words in (answer.verdict.sentence, match.summary, match.explanation):
            assert "by fingerprints that it sent" in words
    world.audit()


def test_one_orientation_has_one_value_in_registrations_and_queries(world: World) -> None:
    """A second value would be searched too, while the count of queries that probe saw the first alone."""
    desk = world.enrol("Stranger")
    twice = [compute_pdq(pixels(name))[0] for name in ("cat", "coffee")]
    with pytest.raises(BadRequest) as registered:
        register(desk, twice, None)
    with pytest.raises(BadRequest) as asked:
        desk.client.match_fingerprints(FingerprintQuery(fingerprints=tuple(values_of(twice))))
    assert registered.value.code == asked.value.code == "inconsistent_fingerprints"


def test_fingerprints_that_were_sent_dispute_nobodys_picture(world: World) -> None:
    """Nor do they tell that a record is near which is kept from others."""
    content = encoded("coffee", "PNG")
    paper, stranger = world.enrol("Daily Example"), world.enrol("Stranger")
    original = world.register(paper, content, "original", intimate=True).record
    claim = register(stranger, compute_pdq(pixels("coffee")), None)
    later = world.register(world.enrol("Third"), encoded("cat", "PNG"), "cat").record
    assert world.operator.get_record(claim).disputed_with == ()
    assert world.operator.get_record(original.id).disputed_with == ()
    assert later.disputed_with == ()
    assert paper.client.match(content).verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    world.audit()
