import io
from dataclasses import replace
from fractions import Fraction

import av
import httpx2
import numpy as np
import pytest
from PIL import Image

from samples.video_edits import Piece
from samples.video_looks import (
    Look,
    barred,
    cropped,
    in_a_programme,
    mirrored,
    narrowed,
    picture_in_picture,
    screen_recorded,
    small,
    with_logo,
)
from sdk.errors import BadRequest, Conflict
from sdk.models import MatchAnswer, MatchRelation, OperationType, RecordSummary, Role, VerdictKind
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.videos import animation, clip, edited, muxed, original, speech, whole, with_audio
from tests.world import Party, World

NAMES = ("coffee", "cat", "rocket")
Registered = tuple[Party, RecordSummary]


def types(answer: MatchAnswer) -> set[OperationType]:
    return {operation.type for operation in answer.matches[0].operations}


@pytest.fixture(scope="module")
def registered(world_of_module: World) -> Registered:
    """A desk with one registered video, shared by the questions below."""
    desk = world_of_module.enrol("Daily Example")
    record = world_of_module.register(desk, original(*NAMES), "statement.mp4").record
    return desk, record


def test_the_very_file_is_the_whole_of_it(registered: Registered) -> None:
    desk, record = registered
    assert record.duration_s == pytest.approx(12.0, abs=0.1)
    answer = desk.client.match(original(*NAMES))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert answer.computed.duration_s == record.duration_s
    [segment] = answer.matches[0].segments
    assert segment.query == segment.reference == (0.0, record.duration_s)


def test_a_trim_by_a_fraction_of_a_second_is_found_where_it_is(registered: Registered) -> None:
    desk, _ = registered
    answer = desk.client.match(edited(Piece(clip(*NAMES), 1.37, 12.0)))
    [segment] = answer.matches[0].segments
    assert segment.reference == pytest.approx((1.37, 12.0), abs=0.1)
    assert segment.factor == 1.0
    assert types(answer) == {OperationType.CLIPPED}
    assert "00:01.4" in answer.matches[0].explanation


def test_a_slowed_copy_carries_its_factor(registered: Registered) -> None:
    desk, _ = registered
    answer = desk.client.match(edited(Piece(clip(*NAMES), 0.0, 12.0, 0.75)))
    retimed = next(
        operation for operation in answer.matches[0].operations if operation.type is OperationType.RETIMED
    )
    assert retimed.factor == pytest.approx(0.75, rel=0.01)
    assert [segment.factor for segment in answer.matches[0].segments] == [pytest.approx(0.75, rel=0.01)]
    assert "another speed" in answer.verdict.sentence
    assert answer.matches[0].relation is MatchRelation.DERIVATIVE


def test_parts_between_other_footage_in_another_order_are_named(registered: Registered) -> None:
    desk, _ = registered
    source, other = clip(*NAMES), clip("astronaut", "motorcycle")
    answer = desk.client.match(edited(Piece(source, 6.2, 11.0), whole(other), Piece(source, 1.0, 5.5)))
    [first, second] = answer.matches[0].segments
    assert first.query == pytest.approx((0.0, 4.8), abs=0.25)
    assert first.reference == pytest.approx((6.2, 11.0), abs=0.25)
    assert second.query == pytest.approx((12.8, 17.3), abs=0.25)
    assert second.reference == pytest.approx((1.0, 5.5), abs=0.25)
    assert {OperationType.CONCATENATED, OperationType.REORDERED} <= types(answer)


def test_mirrored_and_backwards_are_told_apart(registered: Registered) -> None:
    desk, _ = registered
    turned = desk.client.match(edited(whole(clip(*NAMES)), look=mirrored))
    assert types(turned) == {OperationType.MIRRORED}
    assert turned.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    backwards = desk.client.match(edited(replace(whole(clip(*NAMES)), is_reversed=True)))
    assert OperationType.REVERSED in types(backwards)
    assert backwards.matches[0].segments[0].reference == pytest.approx((0.0, 12.0), abs=0.3)


@pytest.mark.parametrize(
    ("look", "relation"),
    [
        (small, MatchRelation.SAME_PICTURE),
        (barred(0.04), MatchRelation.SAME_PICTURE),
        (barred(0.2), MatchRelation.DERIVATIVE),
        (cropped, MatchRelation.DERIVATIVE),
        (screen_recorded, MatchRelation.DERIVATIVE),
    ],
    ids=["reduced", "thin bars", "bars", "cropped", "set into a screen"],
)
def test_only_the_whole_frame_upright_is_the_same_footage(
    registered: Registered, look: Look, relation: MatchRelation
) -> None:
    desk, _ = registered
    [match] = desk.client.match(edited(whole(clip(*NAMES)), look=look)).matches
    assert match.relation is relation


def test_a_stretch_is_named_unless_players_undo_it(registered: Registered) -> None:
    desk, _ = registered
    narrow = desk.client.match(edited(whole(clip(*NAMES)), look=narrowed))
    assert types(narrow) == {OperationType.STRETCHED}
    assert narrow.matches[0].relation is MatchRelation.DERIVATIVE
    frames = [narrowed(picture, 0.0) for picture in clip(*NAMES).frames]
    shown_wide = desk.client.match(muxed("mp4", frames=frames, pixel=Fraction(4, 3)))
    assert OperationType.STRETCHED not in types(shown_wide)
    assert shown_wide.matches[0].relation is MatchRelation.SAME_PICTURE


def test_other_footage_is_not_in_this_registry(registered: Registered) -> None:
    desk, _ = registered
    answer = desk.client.match(original("astronaut", "motorcycle"))
    assert answer.verdict.kind is VerdictKind.NOT_IN_REGISTRY


def test_an_animated_image_is_matched_like_a_video(registered: Registered) -> None:
    desk, record = registered
    answer = desk.client.match(animation(clip(*NAMES), "GIF"))
    assert answer.matches[0].record.id == record.id
    [segment] = answer.matches[0].segments
    assert segment.reference == pytest.approx((0.0, 2.0), abs=0.2)


def test_a_still_of_a_registered_video_is_found(registered: Registered) -> None:
    desk, record = registered
    still = Image.fromarray(clip(*NAMES).at(5.0))
    answer = desk.client.match(encoded(still, quality=80))
    assert answer.matches[0].record.id == record.id
    [segment] = answer.matches[0].segments
    assert segment.reference[0] == pytest.approx(5.0, abs=0.3)


def test_a_video_that_shows_a_registered_photograph_is_found(world: World) -> None:
    desk = world.enrol("Daily Example")
    photograph = picture("astronaut").resize((320, 320)).crop((0, 40, 320, 280))
    record = world.register(desk, encoded(photograph, "PNG"), "portrait.png").record
    still = replace(
        clip("coffee"),
        name="still",
        frames=[np.asarray(photograph)] * 90,
        times=[n / 30 for n in range(90)],
    )
    answer = desk.client.match(edited(whole(clip("coffee")), whole(still)))
    assert [match.record.id for match in answer.matches] == [record.id]
    [segment] = answer.matches[0].segments
    assert segment.factor is None
    assert segment.query == pytest.approx((4.0, 7.0), abs=0.3)


def test_two_originals_in_one_upload_are_two_matches(world: World) -> None:
    desk = world.enrol("Daily Example")
    first = world.register(desk, original("coffee", "cat"), "first").record
    second = world.register(desk, original("rocket", "motorcycle"), "second").record
    upload = edited(Piece(clip("coffee", "cat"), 1, 6), Piece(clip("rocket", "motorcycle"), 2, 7))
    found = {match.record.id: match.segments for match in desk.client.match(upload).matches}
    assert found[first.id][0].query == pytest.approx((0, 5), abs=0.25)
    assert found[second.id][0].query == pytest.approx((5, 10), abs=0.25)
    world.audit()


def test_a_video_with_nothing_in_it_is_refused_for_insufficient_detail(world: World) -> None:
    desk = world.enrol("Daily Example")
    frames = [np.full((240, 320, 3), 90, np.uint8)] * 40
    plain = edited(whole(replace(clip("coffee"), frames=frames, times=[n / 30 for n in range(40)])))
    with pytest.raises(BadRequest) as refusal:
        world.register(desk, plain)
    assert refusal.value.code == "insufficient_detail"
    assert desk.client.match(plain).verdict.kind is VerdictKind.NOT_FINGERPRINTABLE


def test_near_copies_of_videos_are_disputed_and_declared_sources_confirmed(world: World) -> None:
    desk, rival = world.enrol("Daily Example"), world.enrol("Evening Example")
    source = world.register(desk, original("coffee", "cat")).record
    disputed = world.register(rival, edited(whole(clip("coffee", "cat")))).record
    assert disputed.disputed_with == (source.id,)
    lab = world.enrol("Lab", Role.RESEARCHER)
    slowed = edited(Piece(clip("coffee", "cat"), 0.0, 8.0, 0.75))
    fake = world.register(
        lab, slowed, "slowed", AssetClass.KNOWN_FAKE, derived_from=(f"urn:uuid:{source.id}",)
    )
    assert fake.record.declared_sources[0].agreement == "confirmed"
    assert OperationType.RETIMED in fake.record.declared_sources[0].operations


def test_without_a_preview_a_video_is_still_found_by_its_fingerprints(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, original("coffee", "cat"), preview=False).record
    upload = edited(Piece(clip("coffee", "cat"), 1.5, 8.0))
    answer = desk.client.match(upload)
    assert answer.matches[0].record.id == record.id
    assert not answer.matches[0].verified
    [segment] = answer.matches[0].segments
    assert segment.reference == pytest.approx((1.5, 8.0), abs=0.5)
    assert desk.client.compare(upload, record.id).explanation == answer.matches[0].explanation


def test_erasing_a_video_leaves_nothing_of_its_frames(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, original("coffee", "cat")).record
    desk.client.erase(record.id)
    assert list((world.settings.blob_folder).rglob("*.*")) == []
    assert desk.client.match(original("coffee", "cat")).matches == ()
    world.audit()


def test_what_is_damaged_is_said(registered: Registered) -> None:
    desk, record = registered
    payload = edited(whole(clip(*NAMES)))
    buffer = io.BytesIO(payload)
    cut = buffer.getvalue()[: len(payload) // 2]
    with pytest.raises(BadRequest) as refusal:
        desk.client.match(cut)
    assert refusal.value.code == "undecodable_media"
    assert record.id


def test_a_dub_is_found_by_its_pictures_and_a_known_speech_by_its_sound(world: World) -> None:
    desk = world.enrol("Daily Example")
    said, other = speech(12.0, seed=1), speech(12.0, seed=2)
    record = world.register(desk, with_audio(*NAMES, audio=said)).record
    dubbed = desk.client.match(with_audio(content=edited(whole(clip(*NAMES))), audio=other))
    assert types(dubbed) == {OperationType.AUDIO_REPLACED}
    assert "its sound is not the original's" in dubbed.verdict.sentence
    elsewhere = original("astronaut", "motorcycle", "coins")
    heard = desk.client.match(with_audio(content=elsewhere, audio=said[33000:]))
    assert heard.matches[0].record.id == record.id
    assert heard.verdict.kind is VerdictKind.POSSIBLE_MATCH
    assert heard.matches[0].operations == ()  # a tune that many use is heard just so
    assert "shares its sound for" in heard.matches[0].explanation.lower()
    assert "no picture of it" not in heard.matches[0].explanation
    [segment] = heard.matches[0].segments
    assert segment.reference[0] - segment.query[0] == pytest.approx(33000 / 11025, abs=0.1)
    assert not heard.matches[0].verified
    world.audit()


def test_an_opener_that_two_programmes_share_is_no_more_than_a_possible_match(world: World) -> None:
    lab = world.enrol("Lab", Role.RESEARCHER)
    opener = Piece(clip("coins"), 0.0, 2.5)
    take = clip("coffee", shot_s=8.0)
    fake = edited(opener, whole(take))
    record = world.register(lab, fake, "fake", AssetClass.KNOWN_FAKE).record
    answer = lab.client.match(edited(opener, whole(clip("rocket", "motorcycle"))))
    assert answer.verdict.kind is VerdictKind.POSSIBLE_MATCH
    [match] = answer.matches
    assert match.record.id == record.id
    assert (match.relation, match.operations) == (MatchRelation.POSSIBLY_RELATED, ())
    assert match.explanation.startswith("Shares an opener of 2.5 seconds with 'fake'")
    [segment] = match.segments
    assert segment.query == pytest.approx((0.0, 2.5), abs=0.1)
    clipped = lab.client.match(edited(Piece(take, 2.0, 5.5), whole(clip("rocket"))))
    assert clipped.matches[0].relation is MatchRelation.DERIVATIVE
    assert types(clipped) == {OperationType.CLIPPED, OperationType.CONCATENATED}


def test_two_reports_in_the_frame_of_one_channel_are_not_one_video(world: World) -> None:
    lab = world.enrol("Lab", Role.RESEARCHER)
    report = edited(whole(clip("coffee", "cat")), look=in_a_programme)
    world.register(lab, report, "fake", AssetClass.KNOWN_FAKE)
    other = lab.client.match(edited(whole(clip("rocket", "motorcycle")), look=in_a_programme))
    assert other.verdict.kind in (VerdictKind.POSSIBLE_MATCH, VerdictKind.NOT_IN_REGISTRY)
    clipped = lab.client.match(edited(Piece(clip("coffee", "cat"), 0.5, 7.5), look=in_a_programme))
    assert clipped.matches[0].relation is MatchRelation.DERIVATIVE


def test_two_videos_are_compared_and_shown_side_by_side(registered: Registered) -> None:
    desk, record = registered
    upload = edited(Piece(clip(*NAMES), 1.0, 5.0))
    compared = desk.client.compare(upload, record.id)
    assert compared.segments[0].reference == pytest.approx((1.0, 5.0), abs=0.1)
    side_by_side = desk.client.compare_picture(upload, record.id, "mp4")
    with av.open(io.BytesIO(side_by_side), "r") as shown:
        assert float(shown.duration or 0) / 1e6 == pytest.approx(4.0, abs=0.3)
    assert desk.client.compare_picture(upload, record.id, "gif")[:3] == b"GIF"
    with pytest.raises(Conflict) as refusal:
        desk.client.compare_picture(upload, record.id, "png")
    assert refusal.value.code == "nothing_to_compare"


def test_frames_of_an_intimate_video_are_for_its_publisher(world: World) -> None:
    desk = world.enrol("Daily Example")
    open_one = world.register(desk, original("coffee", "cat")).record
    intimate = world.register(desk, original("rocket", "cat"), intimate=True).record
    with httpx2.Client(base_url=world.url) as http:
        shown = http.get(f"/v1/records/{open_one.id}/frames/2000")
        assert shown.headers["content-type"] == "image/webp"
        assert http.get(f"/v1/records/{intimate.id}/frames/2000").status_code == 401
        key = {"Authorization": f"Bearer {desk.api_key.secret}"}
        assert http.get(f"/v1/records/{intimate.id}/frames/2000", headers=key).status_code == 200
        assert http.get("/lookup/no-such-job").status_code == 404
    with Image.open(io.BytesIO(shown.content)) as frame:
        expected = clip("coffee", "cat").at(2.0).astype(int)
        assert np.abs(np.asarray(frame.convert("RGB")) - expected).mean() < 12


def test_a_picture_in_the_picture_is_told_from_a_logo(registered: Registered) -> None:
    desk, record = registered
    inset = edited(whole(clip("astronaut", "motorcycle")), look=picture_in_picture(clip(*NAMES).at, 12.0))
    over = desk.client.match(inset).matches[0]
    assert over.record.id == record.id
    overlay = next(
        operation for operation in over.operations if operation.type is OperationType.FRAME_OVERLAY
    )
    assert overlay.region is not None
    assert min(x for x, _ in overlay.region.corners) > 0.4
    logo = desk.client.match(edited(whole(clip(*NAMES)), look=with_logo)).matches[0]
    assert {operation.type for operation in logo.operations} == {OperationType.OVERLAY}
