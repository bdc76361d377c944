"""A video in which another person walks where the registered one does."""

from collections.abc import Sequence

from sdk.models import Match, OperationType, Severity
from tests.persons import along, another, one
from tests.pictures import encoded
from tests.videos import edited, whole
from tests.world import World

PLACE = (248.0, 142.0)
OTHER_FACES = {OperationType.FACE_SWAP, OperationType.FACE_REENACTED}


def kinds(matches: Sequence[Match]) -> set[OperationType]:
    return {operation.type for match in matches for operation in match.operations}


def test_another_person_in_the_same_room_and_moves_is_named(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, edited(whole(one().walking(along)), crf=18), "walk.mp4")
    world.register(desk, encoded(one().at(PLACE)), "still.jpg")

    answer = desk.client.match(edited(whole(another().walking(along)), crf=26))
    video = next(match for match in answer.matches if match.record.label == "walk.mp4")
    assert kinds([video]) & (OTHER_FACES | {OperationType.PERSON_REPLACED}) == {
        OperationType.PERSON_REPLACED
    }
    (segment,) = video.segments
    assert segment.factor == 1.0
    assert abs(segment.query[0] - segment.reference[0]) < 0.1
    assert answer.verdict.severity is Severity.PERSON_ALTERED
    assert "a person was replaced" in answer.verdict.sentence

    still = desk.client.match(encoded(another().at(PLACE), quality=80))
    matched = next(match for match in still.matches if match.record.label == "still.jpg")
    assert OperationType.PERSON_REPLACED in kinds([matched])
    world.audit()
