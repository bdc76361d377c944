"""Registered pictures leave in one place, which wants leave: the rule is held by the shape of the code.

tests/web/test_privacy.py asks every route; this says that there is no other way out.
"""

import ast
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import registry
from registry.match.showing import preview_of
from registry.records.access import Sight
from sdk import models
from tests.registry.match.rows import record
from tests.world import World

PACKAGE = Path(registry.__file__).parent
# By template: what stands in an attribute that can show a picture. `upload` is the sender's; `view` is
# drawn with leave only; a browser asks for addresses of previews and frames without a key. `source` is one
# of `originals_shown`.
EMBEDDED = {
    "_answer.html": {"upload"},
    "_match.html": {"view.change_map", "upload", "match.record.preview", "source.preview"},
    "_comparison.html": {"picture", "view.reference", "view.upload", "view.difference"},
    "_video_comparison.html": {
        "match.record.preview",
        "shown.map",
        "shown.frames",
        "shown.times",
        "loop.index0",
    },
    "_withheld.html": {"upload"},
    "record.html": {"record.preview"},
}
# Attributes out of which registered pixels come.
REGISTERED_PICTURES = {"previews", "preview_key", "storyboard", "warped", "residue", "excess"}


def test_what_embeds_a_picture_in_a_template_was_considered() -> None:
    embedded = re.compile(r"""(?:src|srcset|poster|style|data-[a-z]+)=["'][^"']*\{\{(.*?)\}\}""")
    for template in (PACKAGE / "web" / "templates").glob("*.html"):
        found = set(embedded.findall(template.read_text(encoding="utf-8")))
        assert {one.strip() for one in found} == EMBEDDED.get(template.name, set()), template.name


def test_registered_pictures_are_reached_in_one_place_which_wants_leave() -> None:
    for module in sorted(PACKAGE.rglob("*.py")):
        name = module.relative_to(PACKAGE).as_posix()
        tree = ast.parse(module.read_text(encoding="utf-8"))
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert "Sight" not in calls or name == "records/access.py", f"{name} gives itself leave"
        if name.startswith(("api/", "web/")):
            reached = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not reached & REGISTERED_PICTURES, name
            assert "blobs" not in reached or name == "api/health.py", name  # it says where they are kept


def test_the_larger_copy_of_a_picture_is_compared_and_shown_to_nobody() -> None:
    for name in ("match/showing.py", "match/report.py", "match/side_by_side.py", "web/comparing.py"):
        tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
        assert "detail" not in {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}, (
            name
        )


def test_a_change_map_is_the_only_field_of_an_answer_that_holds_bytes() -> None:
    with_bytes = {
        (name, field_name)
        for name, model in vars(models).items()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for field_name, described in model.model_fields.items()
        if "bytes" in repr(described.annotation)
    }
    assert with_bytes == {("Comparison", "change_map")}


def test_leave_to_see_one_record_shows_no_other(world: World) -> None:
    other = record("other", preview_key="previews/aa/aa.webp")
    with pytest.raises(ValueError, match="another record"):
        preview_of(world.services, other, Sight("this"))
