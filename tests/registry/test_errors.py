"""The tree of errors as it is drawn, as it is, and as the documents list it."""

import re
from pathlib import Path

from registry import errors
from registry.api.problems import OWN_CODES
from registry.errors import RegistryError
from sdk.errors import problem_to_error

PROBLEMS = (Path(__file__).parents[2] / "docs" / "problems.md").read_text(encoding="utf-8")
FAMILIES = {  # bases that are never raised
    errors.StatementRefused,
    errors.MediaRefused,
    errors.Conflict,
    errors.Busy,
    errors.StorageAway,
}


def drawn_tree() -> dict[str, str]:
    """Returns the base of every class, as the module's docstring draws it."""
    drawing = re.sub(r",\n[│ ]+", ", ", errors.__doc__ or "")
    bases = {}
    for branch in re.findall(r"^[├└]── (.+)$", drawing, re.MULTILINE):
        base, colon, members = branch.rpartition(": ")
        if colon:
            bases[base] = RegistryError.__name__
        bases |= dict.fromkeys(members.split(", "), base or RegistryError.__name__)
    return bases


def all_subclasses(kind: type[RegistryError]) -> set[type[RegistryError]]:
    return {kind} | {deeper for subclass in kind.__subclasses__() for deeper in all_subclasses(subclass)}


def test_the_drawn_tree_is_that_of_the_classes() -> None:
    classes = all_subclasses(RegistryError) - {RegistryError}
    assert drawn_tree() == {kind.__name__: kind.__base__.__name__ for kind in classes if kind.__base__}
    assert {kind.__module__ for kind in classes} == {errors.__name__}


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", PROBLEMS, re.MULTILINE)
    raised = {kind.code for kind in all_subclasses(RegistryError) - FAMILIES}
    assert len(documented) == len(set(documented))
    assert set(documented) == raised | set(OWN_CODES)


def test_the_status_and_the_sdk_class_of_every_problem_are_as_documented() -> None:
    statuses = {kind.code: kind.status for kind in all_subclasses(RegistryError) - FAMILIES}
    for code, status, sdk in re.findall(r"^\| `(\w+)` \| (\d+) \|.*\| `(\w+)` \|$", PROBLEMS, re.MULTILINE):
        assert type(problem_to_error(int(status), {"code": code})).__name__ == sdk, code
        assert statuses.get(code, int(status)) == int(status), code
