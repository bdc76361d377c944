"""The lines between match and coincidence as settings."""

from pathlib import Path

import pytest

from registry.app import running_services
from registry.errors import BadThresholds
from registry.thresholds import Thresholds, load_thresholds
from tests.checks import THRESHOLDS, thresholds_text
from tests.world import DatabaseServer, World


def test_the_page_of_thresholds_says_what_the_code_says() -> None:
    page = THRESHOLDS.read_text(encoding="utf-8")
    assert page == thresholds_text(page)
    assert all(field.description for field in Thresholds.model_fields.values())


def test_without_a_file_the_defaults_hold() -> None:
    assert load_thresholds(None) == Thresholds()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("inlier_moderate = 15", "inlier_moderate: is not a known field"),
        ("pdq_same_bits = 300", "pdq_same_bits: must be at most 256"),
        ("full_spread = 0", "full_spread: must be more than 0"),
        ("pdq_same_bits = 31.5", "pdq_same_bits: must be a whole number"),
        ('moved = "little"', "moved: must be a number"),
        ("inliers_moderate = 19", "must ascend in this order"),
        ("moved = nan", "moved"),
        ("moved =", "is not TOML"),
        ("# in another encoding", "it is not text in UTF-8"),
    ],
)
def test_what_is_not_possible_is_refused_by_its_name(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "thresholds.toml"
    file.write_text(content, encoding="utf-16" if content.startswith("#") else "utf-8")
    with pytest.raises(BadThresholds, match=reason):
        load_thresholds(file)


def test_the_registry_works_by_the_lines_of_the_file_and_refuses_to_start_without_it(
    database_server: DatabaseServer, home: Path
) -> None:
    file = home / "thresholds.toml"
    file.write_text("inliers_moderate = 15\n")
    with World(database_server, home, thresholds=file) as world:
        assert world.services.thresholds == Thresholds(inliers_moderate=15)
        world.stop()
        file.unlink()
        with (
            pytest.raises(BadThresholds, match="No such file"),
            running_services(world.settings, world.engine),
        ):
            pass
        file.write_text("")
        world.start()
        assert world.services.thresholds == Thresholds()
