"""What is said of changed parts that are no faces."""

import numpy as np
import pytest

from indexer.compare.changes import ChangedRegion
from indexer.compare.content import ChangedPart
from indexer.operations import OperationType


def region(levels: float) -> ChangedRegion:
    return ChangedRegion(np.ones((4, 4), np.bool_), 0, 0, 4, 4, excess=5.0, levels=levels, share=0.01)


@pytest.mark.parametrize(
    ("kind", "levels", "is_faint"),
    [
        (OperationType.LOCAL_EDIT, [11.0], True),
        (OperationType.LOCAL_EDIT, [11.0, 13.0], False),
        (OperationType.OVERLAY, [11.0], False),
        (OperationType.COMPOSITE, [11.0], False),
    ],
)
def test_only_an_edit_can_be_too_faint_to_be_told(
    kind: OperationType, levels: list[float], is_faint: bool
) -> None:
    assert ChangedPart(kind, [region(one) for one in levels]).is_faint is is_faint
