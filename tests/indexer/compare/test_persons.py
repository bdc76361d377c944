"""A whole person in the place of another one is told from a face, from clothes, and from another take."""

import pytest
from PIL import Image, ImageFilter

from indexer.operations import OperationType
from tests.persons import another, one
from tests.portraits import astronaut, derived, swapped, through_jpeg, types_of

PLACE = (248.0, 142.0)
PERSON, SWAP = OperationType.PERSON_REPLACED, OperationType.FACE_SWAP


@pytest.mark.parametrize("place", [PLACE, (150.0, 150.0), (315.0, 135.0)])
def test_another_person_from_head_to_body_is_a_replaced_person(place: tuple[float, float]) -> None:
    found = derived(through_jpeg(another().at(place)), one().at(place))
    assert types_of(found) & {PERSON, SWAP, OperationType.COMPOSITE, OperationType.FACE_COVERED} == {PERSON}
    (operation,) = [operation for operation in found.operations if operation.type is PERSON]
    assert operation.reference_region is not None
    (left, top), _, (right, bottom), _ = operation.reference_region
    assert left < place[0] / 480 < right
    assert top < place[1] / 360 < bottom
    assert "somebody else is shown" in operation.sentence


def test_another_face_alone_is_a_face_swap() -> None:
    assert types_of(derived(through_jpeg(swapped()), astronaut())) & {PERSON, SWAP} == {SWAP}


def test_a_person_who_stands_elsewhere_was_not_replaced() -> None:
    for who in (one(), another()):
        found = derived(through_jpeg(who.at((150.0, 150.0))), one().at((315.0, 135.0)))
        assert PERSON not in types_of(found)


def test_other_clothes_are_not_another_person() -> None:
    dressed = one().at(PLACE)
    dyed = Image.merge("RGB", dressed.split()[::-1]).crop((150, 185, 345, 360))
    undressed = dressed.copy()
    undressed.paste(dyed, (150, 185))
    assert PERSON not in types_of(derived(through_jpeg(undressed), dressed))


@pytest.mark.parametrize("blur", [6.0, 14.0])
def test_a_person_who_was_made_unrecognisable_is_nobody_else(blur: float) -> None:
    shown = one().at(PLACE)
    box = (140, 60, 360, 360)
    hidden = shown.copy()
    hidden.paste(shown.crop(box).filter(ImageFilter.GaussianBlur(blur)), box)
    pixelated = shown.crop(box).resize((22, 30)).resize((220, 300), Image.Resampling.NEAREST)
    cells = shown.copy()
    cells.paste(pixelated, box)
    for changed in (hidden, cells):
        assert not types_of(derived(through_jpeg(changed), shown)) & {PERSON, SWAP}


def test_a_copy_with_a_person_in_it_is_a_copy() -> None:
    for person in (one(), another()):
        assert types_of(derived(through_jpeg(person.at(PLACE), 40), person.at(PLACE))) <= {
            OperationType.RE_ENCODED,
            OperationType.COLOUR,
        }
