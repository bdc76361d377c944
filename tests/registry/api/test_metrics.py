"""Metrics: who may read them, what they count, and that the alerts name what there is."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sdk.errors import ProblemError
from sdk.models import NewApiKey, Role, Scope
from tests.pictures import encoded
from tests.world import World

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations"
WORDS = re.compile(r"\b(?:trueprint|process)_[a-z_]+")
OF_PROMETHEUS = {"up"}


def scraped(world: World, secret: str) -> httpx2.Response:
    return httpx2.get(f"{world.url}/metrics", headers={"Authorization": f"Bearer {secret}"})


def numbers(world: World) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every number of a scrape, by its name and labels."""
    answer = scraped(world, world.operator_secret)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def number(world: World, name: str, **labels: str) -> float:
    return numbers(world)[name, frozenset(labels.items())]


@pytest.fixture(scope="module")
def world(world_of_module: World) -> World:
    desk = world_of_module.enrol("Daily Example")
    world_of_module.register(desk, encoded("coffee"))
    desk.client.match(encoded("coffee", quality=60))
    return world_of_module


def test_metrics_are_read_with_the_scope_monitor_or_admin_and_by_nobody_else(world: World) -> None:
    publishers = {publisher.role: publisher.id for publisher in world.operator.list_publishers()}
    watcher = world.operator.issue_api_key(
        NewApiKey(publisher=publishers[Role.OPERATOR], scopes=(Scope.MONITOR,))
    )
    assert scraped(world, watcher.secret).status_code == 200
    with pytest.raises(ProblemError):  # and it reads nothing else
        world.client(watcher.secret).list_acts()
    with pytest.raises(ProblemError):
        world.client(watcher.secret).match(encoded("coffee"))
    assert httpx2.get(f"{world.url}/metrics").status_code == 401
    platform = world.enrol("Example Platform", Role.PLATFORM)
    assert scraped(world, platform.api_key.secret).status_code == 403
    with pytest.raises(ProblemError, match="cannot have monitor"):
        world.operator.issue_api_key(NewApiKey(publisher=platform.publisher.id, scopes=(Scope.MONITOR,)))


def test_answers_and_problems_are_counted_by_route_and_not_by_what_was_asked_for(world: World) -> None:
    route = {"method": "GET", "route": "/v1/records/{record_id}", "status": "404"}
    for unknown in ("one", "two"):
        with pytest.raises(ProblemError):
            world.operator.get_record(unknown)
    assert number(world, "trueprint_requests_total", **route) == 2
    assert number(world, "trueprint_problems_total", code="unknown_record") == 2
    httpx2.get(f"{world.url}/of/my/choice")
    httpx2.request("PROPFIND", f"{world.url}/of/my/choice")
    assert "choice" not in str(numbers(world))
    assert number(world, "trueprint_requests_total", method="other", route="none", status="404") == 1
    matched = number(world, "trueprint_request_duration_seconds_count", route="/v1/match")
    assert matched == number(
        world, "trueprint_requests_total", method="POST", route="/v1/match", status="200"
    )


def test_what_a_scrape_looks_up_is_as_it_is(world: World) -> None:
    size = world.operator.log_state().size
    assert number(world, "trueprint_log_size") == size
    assert number(world, "trueprint_log_unpublished") == 0
    assert number(world, "trueprint_records_active") == 1
    assert number(world, "trueprint_audit_timestamp_seconds") == 0
    first = world.operator.list_acts(limit=100)[-1].at.timestamp()
    assert number(world, "trueprint_first_act_timestamp_seconds") == pytest.approx(first)
    assert number(world, "trueprint_acts_not_committed") > 0
    world.audit()
    assert number(world, "trueprint_audit_timestamp_seconds") > 0
    assert number(world, "trueprint_acts_not_committed") == 0
    world.audit()
    assert number(world, "trueprint_acts_not_committed") == 0  # an audit alone is not committed to
    assert number(world, "trueprint_audit_clean") == 1
    assert number(world, "trueprint_audit_sound") == 1
    world.tamper("UPDATE log_head SET active_records = 7")
    assert not world.operator.audit().clean
    assert number(world, "trueprint_audit_clean") == 0
    assert number(world, "trueprint_audit_sound") == 0
    assert number(world, "trueprint_audit_findings", what="log_head") == 1
    world.tamper("UPDATE log_head SET active_records = 1")
    world.audit()


def test_an_upload_that_ends_its_decoder_is_counted(world: World) -> None:
    decoders = world.services.uploads.decoders.images
    started, lost = (
        number(world, f"trueprint_decoder_{what}_total", pool="images") for what in ("starts", "losses")
    )
    with decoders._worker() as worker:
        worker.close()
    world.operator.match(encoded("coffee"))
    assert number(world, "trueprint_decoder_losses_total", pool="images") == lost + 1
    assert number(world, "trueprint_decoder_starts_total", pool="images") == started + 1


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((OPERATIONS / "alerts.yml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def test_every_alert_names_metrics_that_there_are(world: World) -> None:
    httpx2.get(f"{world.url}/nothing")
    there = {name for name, _ in numbers(world)}
    named = {name for rule in rules() for name in WORDS.findall(rule["expr"])}
    assert named
    assert named <= there | OF_PROMETHEUS, named - there
    for rule in rules():
        labelled = re.findall(r"(\w+)\{([^}]*)\}", rule["expr"])
        for name, labels in labelled:
            keys = {key for found, keys in numbers(world) if found == name for key, _ in keys}
            assert name in OF_PROMETHEUS or set(re.findall(r"(\w+)[=!]~?", labels)) <= keys, rule


def test_nobody_is_alerted_of_what_is_as_it_should_be() -> None:
    by_name = {rule["alert"]: rule["expr"] for rule in rules()}
    assert "trueprint_audit_sound == 0" in by_name["TrueprintAuditFoundDifferences"]  # no lost previews
    assert "trueprint_checkpoint_cosigned_timestamp_seconds > 300" in by_name["TrueprintLogNotCosigned"]
    assert "(trueprint_audit_timestamp_seconds > 0)" in by_name["TrueprintAuditOverdue"]  # set up today
    assert "trueprint_audit_timestamp_seconds - time() > 300" in by_name["TrueprintAuditOverdue"]


def test_every_alert_stands_in_the_table_with_what_to_do() -> None:
    table = (OPERATIONS / "alerts.md").read_text()
    rows = re.findall(r"^\| `(Trueprint\w+)` \| [^|]{10,} \| [^|]{10,} \|$", table, re.MULTILINE)
    assert sorted(rows) == sorted(rule["alert"] for rule in rules())
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}


def test_every_metric_that_the_pages_name_is_there(world: World) -> None:
    there = {name for name, _ in numbers(world)}
    for page in OPERATIONS.glob("*.md"):
        for name in WORDS.findall(page.read_text()):
            assert name in there or f"{name}_bucket" in there, (page, name)
