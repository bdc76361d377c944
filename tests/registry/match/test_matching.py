import io
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from registry.app import create_app, running_services
from registry.cli.home import listening
from registry.thresholds import Thresholds
from sdk.answers import BadAnswer, verify_answer
from sdk.client import Client
from sdk.errors import BadRequest
from sdk.keys import generate_key, public_jwk
from sdk.models import (
    FingerprintQuery,
    FingerprintValue,
    MatchAnswer,
    MatchRelation,
    Role,
    Scope,
    Strength,
    Verdict,
    VerdictKind,
)
from sdk.records import AssetClass
from sdk.verify import verify_receipt
from tests.pictures import encoded, flat, picture
from tests.world import DatabaseServer, SeededEmbedder, World, own_index

LIMITS = Thresholds()


def test_the_very_file_is_exact_and_its_receipt_verifies(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee")).record
    answer = desk.client.match(encoded("coffee"))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    match = answer.matches[0]
    assert (match.record.id, match.strength, match.relation) == (
        record.id,
        Strength.EXACT,
        MatchRelation.SAME_FILE,
    )
    assert match.receipt is not None
    verify_receipt(match.receipt, log_key=world.operator.log_state().log_key, media=encoded("coffee"))
    world.audit()


@pytest.mark.parametrize(
    ("name", "operation"),
    [("mirror", "mirrored"), ("crop", "cropped"), ("quarter turn", "rotated"), ("half size", "resized")],
)
def test_edited_copies_are_found_and_named(world: World, name: str, operation: str) -> None:
    desk = world.enrol("Daily Example")
    for subject in ("coffee", "cat", "rocket", "hubble"):
        world.register(desk, encoded(subject), subject)
    coffee = picture("coffee")
    edited = {
        "mirror": coffee.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "crop": coffee.crop((60, 20, 560, 380)),
        "quarter turn": coffee.transpose(Image.Transpose.ROTATE_90),
        "half size": coffee.resize((300, 200)),
    }[name]
    answer = desk.client.match(encoded(edited, quality=70))
    assert [match.record.label for match in answer.matches] == ["coffee"]
    match = answer.matches[0]
    assert match.verified
    assert operation in {operation.type for operation in match.operations}
    assert match.strength in (Strength.VERY_STRONG, Strength.STRONG)
    assert "coffee" in match.explanation


def test_unrelated_pictures_are_not_in_this_registry_and_nothing_is_said_of_authenticity(
    world: World,
) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    answer = desk.client.match(encoded("astronaut"))
    assert answer.matches == ()
    assert answer.verdict.kind is VerdictKind.NOT_IN_REGISTRY
    assert answer.verdict.sentence == "Not in this registry; this says nothing about authenticity."


def test_an_empty_registry_says_that_it_is_empty(world: World) -> None:
    verdict = world.enrol("Daily Example").client.match(encoded("coffee")).verdict
    assert verdict.kind is VerdictKind.NOT_IN_REGISTRY
    assert "Nothing is registered here yet" in verdict.sentence


def test_numbers_are_for_keys_with_the_scope_evidence_only(world: World) -> None:
    desk = world.enrol("Daily Example")
    reviewer = world.enrol("A reviewer", Role.REVIEWER)
    world.register(desk, encoded("coffee"))
    edited = encoded(picture("coffee").crop((30, 20, 590, 390)))
    words, numbers = desk.client.match(edited), reviewer.client.match(edited)
    assert words.matches[0].evidence is None
    assert all(operation.measured == {} for operation in words.matches[0].operations)
    evidence = numbers.matches[0].evidence
    assert evidence is not None
    assert evidence.inliers is not None
    assert evidence.inliers > 20
    assert evidence.pdq_distance is not None
    assert any(operation.measured for operation in numbers.matches[0].operations)


def test_a_registration_is_matchable_by_the_next_request_and_on_another_node_within_a_second(
    world: World,
) -> None:
    desk = world.enrol("Daily Example")
    with ExitStack() as stack:
        node = stack.enter_context(running_services(world.settings, world.engine, SeededEmbedder()))
        url = stack.enter_context(listening(create_app(node)))
        other = stack.enter_context(Client(url, desk.api_key.secret))
        record = world.register(desk, encoded("coffee")).record
        assert desk.client.match(encoded("coffee")).matches[0].record.id == record.id
        answer = other.match(encoded("coffee"))
        assert answer.matches[0].record.id == record.id
        assert answer.index.lag == 0
        # The other node follows by itself as well, without being asked.
        second = world.register(desk, encoded("cat")).record
        deadline = time.monotonic() + 5
        while len(own_index(node)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        desk.client.withdraw(second.id)
        assert other.match(encoded("cat")).matches == ()
    world.audit()


@pytest.mark.parametrize("implementation", ["cpu", "brute-force", "gpu"])
def test_one_item_is_found_again_after_a_restart(world: World, implementation: str) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    assert desk.client.match(encoded("coffee", quality=50)).matches
    # Where there is no GPU, the device's own code on the CPU.
    world.settings = world.settings.model_copy(update={"index": implementation, "device": "cpu"})
    world.restart()
    again = world.again(desk)
    assert again.client.match(encoded("coffee", quality=50)).matches
    world.register(again, encoded("cat"))
    assert again.client.match(encoded("cat", quality=50)).matches
    world.audit()
    assert ("device" in world.operator.status().index) == (implementation == "gpu")


def test_a_torn_snapshot_is_rebuilt_from_rows(world: World) -> None:
    desk = world.enrol("Daily Example")
    for subject in ("coffee", "cat"):
        world.register(desk, encoded(subject))
    world.stop()
    for file in world.settings.index_folder.rglob("values.bin"):
        file.write_bytes(file.read_bytes()[:-3])
    world.start()
    assert world.again(desk).client.match(encoded("cat", quality=50)).matches
    world.audit()


def test_a_signed_answer_is_verified_offline_and_no_word_of_it_can_be_changed(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    answer = desk.client.match(encoded(picture("coffee").crop((100, 50, 500, 350))))
    jwks = desk.client.jwks()
    kept = MatchAnswer.model_validate_json(answer.model_dump_json())
    assert verify_answer(kept, jwks)["verdict"]["kind"] == "derivative_of_original"
    match = kept.matches[0]
    changes: dict[str, dict[str, object]] = {
        "not signed": {"signature": None},
        "not verify": {"signature": str(kept.signature)[:-6] + "AAAAAA"},
        "does not say": {"answered_at": kept.answered_at - timedelta(days=1)},
        "does not say ": {"verdict": Verdict(kind=VerdictKind.NOT_IN_REGISTRY, sentence="nothing")},
        "does not say  ": {"matches": (match.model_copy(update={"strength": Strength.EXACT}),)},
        "does not say   ": {"matches": (match.model_copy(update={"operations": ()}),)},
    }
    for says, change in changes.items():
        with pytest.raises(BadAnswer, match=says.strip()):
            verify_answer(kept.model_copy(update=change), jwks)
    with pytest.raises(BadAnswer, match="not among"):
        verify_answer(kept, {"keys": [public_jwk(generate_key())]})


def test_a_plain_query_says_that_it_cannot_be_recognised(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    answer = desk.client.match(flat())
    assert answer.verdict.kind is VerdictKind.NOT_FINGERPRINTABLE
    assert answer.matches == ()


def test_a_lost_preview_costs_verification_not_the_match(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    world.restart()
    for file in world.settings.blob_folder.rglob("*.*"):
        file.unlink()
    answer = world.again(desk).client.match(encoded("coffee", quality=40))
    assert answer.matches
    assert not answer.matches[0].verified
    report = world.operator.audit()
    assert [finding.what for finding in report.findings] == ["preview"]


def test_an_upload_of_a_reported_fake_says_so_first(world: World) -> None:
    desk, lab = world.enrol("Daily Example"), world.enrol("A lab", Role.RESEARCHER)
    original = world.register(desk, encoded("coffee"), "original").record
    fake_picture = picture("coffee").copy()
    fake_picture.paste(picture("cat").resize((160, 110)), (220, 120))
    fake = encoded(fake_picture)
    world.register(lab, fake, "fake", AssetClass.KNOWN_FAKE, derived_from=(original.id,))
    answer = desk.client.match(encoded(fake_picture.resize((450, 300)), quality=60))
    assert answer.verdict.kind is VerdictKind.REPORTED
    assert {match.record.label for match in answer.matches} == {"original", "fake"}
    world.audit()


def test_a_small_photograph_in_a_screenshot_is_found_and_placed(
    database_server: DatabaseServer, home: Path
) -> None:
    page = Image.new("RGB", (1600, 1000), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 1600, 56), fill="#3355aa")
    for line in range(25):
        words = "Somebody shared a picture with you" if line % 3 else "Home  Messages  Settings  Help"
        draw.text((20, 70 + 36 * line), words, "black", ImageFont.load_default(18))
    page.paste(picture("cat").resize((210, 140)), (900, 520))
    # With one candidate, as in a large registry, the page as a whole leads to something else.
    with World(database_server, home, candidates=1) as world:
        desk = world.enrol("Daily Example", scopes=(Scope.REGISTER, Scope.MATCH, Scope.EVIDENCE))
        for name in ("coffee", "astronaut", "rocket", "cat", "motorcycle", "coins"):
            world.register(desk, encoded(name), name)
        answer = desk.client.match(encoded(page, quality=70))
        world.audit()
    assert answer.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    match = answer.matches[0]
    assert match.record.label == "cat"
    assert match.evidence is not None
    assert "inner_rectangle" in match.evidence.found_by
    embedded = next(operation for operation in match.operations if operation.type == "embedded")
    assert embedded.region is not None
    assert embedded.region.corners[0] == pytest.approx((900 / 1600, 520 / 1000), abs=0.02)
    assert embedded.region.corners[2] == pytest.approx((1110 / 1600, 660 / 1000), abs=0.02)


def test_two_photographs_with_one_watermark_are_not_one_picture(world: World) -> None:
    marked = []
    for name in ("coffee", "cat"):
        photograph = picture(name).resize((900, 600))
        draw = ImageDraw.Draw(photograph)
        draw.rectangle((740, 540, 890, 590), "black")
        draw.text((746, 544), "Example Pictures\n(c) 2026 W&Q/KXB", "white", ImageFont.load_default(16))
        marked.append(encoded(photograph, quality=95))
    desk = world.enrol("Daily Example", scopes=(Scope.REGISTER, Scope.MATCH, Scope.EVIDENCE))
    world.register(desk, marked[0], "coffee.jpg")
    shared_features = align(
        *(extract_features(np.asarray(Image.open(io.BytesIO(content)))) for content in marked)
    )
    assert shared_features is not None
    assert shared_features.inliers >= world.services.thresholds.inliers_moderate
    answer = desk.client.match(marked[1])
    assert all(match.strength is Strength.WEAK for match in answer.matches)
    assert answer.verdict.kind in (VerdictKind.NOT_IN_REGISTRY, VerdictKind.POSSIBLE_MATCH)


def test_a_different_capture_of_a_registered_scene_is_a_suspicion_and_says_so(world: World) -> None:
    desk = world.enrol("Daily Example", Role.RESEARCHER)

    def scene(behind: str) -> bytes:
        shot = picture(behind).resize((600, 400))
        shot.paste(picture("coffee").resize((220, 150)), (190, 240))
        return encoded(shot)

    world.register(desk, scene("cat"), "the first shot")
    answer = desk.client.match(scene("rocket"))
    assert answer.verdict.kind is VerdictKind.POSSIBLE_MATCH
    match = answer.matches[0]
    assert (match.strength, match.verified) == (Strength.WEAK, False)
    assert "another shot of one scene" in match.explanation
    assert match.evidence is not None
    assert match.evidence.inliers is not None
    assert match.evidence.inliers >= LIMITS.inliers_strong
    assert match.evidence.agreeing is not None
    assert match.evidence.agreeing < LIMITS.different_capture_agreeing
    world.audit()


def test_fingerprints_that_nothing_is_searched_by_are_refused_and_not_called_absent(world: World) -> None:
    platform = world.enrol("Chat")
    value = FingerprintValue(value="phash64.v1:" + "0f" * 8)
    with pytest.raises(BadRequest, match=r"nothing is searched by .* pdq\.v1") as refused:
        platform.client.match_fingerprints(FingerprintQuery(fingerprints=(value,)))
    assert refused.value.code == "invalid_fingerprint"
