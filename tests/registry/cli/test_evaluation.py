"""Files of truth for `trueprint eval`, as people write them."""

from pathlib import Path

import pytest

from registry.cli.evaluation import Truth, read_truth
from registry.errors import InvalidRequest


@pytest.mark.parametrize(
    ("written", "truth"),
    [
        ("query,ref\n", {}),
        ("query,ref\nq1.jpg,r1.png\nq2,r2\n", {"q1": Truth("r1"), "q2": Truth("r2")}),
        ("query,ref\nq1.jpg,\n", {"q1": Truth(None)}),
        ("ref,query\nr1,q1\n", {"q1": Truth("r1")}),
        ("query,ref,transforms\nq1,r1,crop+text\n", {"q1": Truth("r1", ("crop", "text"))}),
        ("query,ref,transforms\nq1,r1,\n", {"q1": Truth("r1")}),
        ("query,ref,transforms\nq1,r1,+crop+\n", {"q1": Truth("r1", ("crop",))}),
        ("query,ref\nfolder/q1.jpg,refs/r1.tar.gz\n", {"q1": Truth("r1.tar")}),
    ],
)
def test_queries_and_references_are_named_by_their_stems(
    tmp_path: Path, written: str, truth: dict[str, Truth]
) -> None:
    file = tmp_path / "truth.csv"
    file.write_text(written, encoding="utf-8")
    assert read_truth(file) == truth


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (b"", "needs the columns query and ref"),
        (b"query,reference\nq1,r1\n", "needs the columns query and ref"),
        (b"\xff\xfe\x00", "it is not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_truth_is_refused_and_named(tmp_path: Path, written: bytes, says: str) -> None:
    file = tmp_path / "truth.csv"
    file.write_bytes(written)
    with pytest.raises(InvalidRequest, match=says) as refusal:
        read_truth(file)
    assert str(file) in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file"):
        read_truth(tmp_path / "truth.csv")
