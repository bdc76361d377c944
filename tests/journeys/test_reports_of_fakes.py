"""One report of a fake is a claim; another publisher, the comparison, or a reviewer confirms it."""

import httpx2
import pytest
from PIL import Image
from typer.testing import CliRunner

from sdk.cli import app
from sdk.errors import BadRequest, Conflict, NotAllowed
from sdk.models import ActType, FakeStanding, RecordSummary, Role, Severity, Standing, VerdictKind
from sdk.records import AssetClass
from tests.pictures import encoded
from tests.portraits import astronaut, swapped
from tests.world import Party, World

FAKE = AssetClass.KNOWN_FAKE


class Desks:
    """A newspaper, two laboratories that may register fakes, and a reviewer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.paper = world.enrol("Daily Example")
        self.lab, self.institute = (
            world.enrol("Lab", Role.RESEARCHER),
            world.enrol("Institute", Role.RESEARCHER),
        )
        self.reviewer = world.enrol("Reviewers", Role.REVIEWER)

    def report(self, by: Party, image: Image.Image, *sources: str, quality: int = 95) -> RecordSummary:
        content = encoded(image, quality=quality)
        return self.world.register(by, content, "fake", FAKE, derived_from=sources).record

    def original(self, by: Party, image: Image.Image) -> str:
        return self.world.register(by, encoded(image, "PNG"), "original").record.id

    def kind(self, image: Image.Image) -> VerdictKind:
        return self.paper.client.match(encoded(image, quality=80)).verdict.kind

    def standing(self, record: RecordSummary) -> Standing | None:
        fake = self.paper.client.get_record(record.id).fake
        return fake.standing if fake else None


@pytest.fixture
def desks(world: World) -> Desks:
    return Desks(world)


def test_one_report_calls_nothing_a_known_fake(desks: Desks) -> None:
    report = desks.report(desks.lab, astronaut())
    assert report.fake is not None
    assert report.fake.standing is Standing.REPORTED
    verdict = desks.paper.client.match(encoded(astronaut(), quality=80)).verdict
    assert (verdict.kind, verdict.record) == (VerdictKind.REPORTED, report.id)
    assert "registered by Lab as a fake, which nobody else has confirmed" in verdict.sentence
    assert verdict.severity is Severity.TECHNICAL
    page = httpx2.get(f"{desks.world.url}/records/{report.id}").text
    assert "registered as reported fake" in page
    assert "one publisher says so" in page
    desks.world.audit()


def test_a_second_publisher_confirms_it_as_long_as_both_stand(desks: Desks) -> None:
    first = desks.report(desks.lab, swapped())
    desks.report(desks.lab, swapped(), quality=90)  # once more by the same
    assert desks.kind(swapped()) is VerdictKind.REPORTED
    second = desks.report(desks.institute, swapped(), quality=85)
    assert second.fake is not None
    assert first.id in second.fake.corroborated_by
    assert desks.kind(swapped()) is VerdictKind.KNOWN_FAKE
    assert desks.standing(first) is Standing.CONFIRMED
    desks.institute.client.withdraw(second.id)
    assert desks.standing(first) is Standing.REPORTED
    assert desks.kind(swapped()) is VerdictKind.REPORTED


def test_who_names_the_other_report_as_its_source_adds_no_voice(desks: Desks) -> None:
    first = desks.report(desks.lab, swapped())
    desks.report(desks.institute, swapped(), first.id, quality=85)
    assert desks.kind(swapped()) is VerdictKind.REPORTED


def test_the_comparison_confirms_what_was_altered_from_an_original_of_another(desks: Desks) -> None:
    original = desks.original(desks.paper, astronaut())
    report = desks.report(desks.lab, swapped(), original)
    assert report.fake is not None
    assert report.fake.altered_from == (original,)
    assert desks.kind(swapped()) is VerdictKind.KNOWN_FAKE
    desks.paper.client.withdraw(original)
    assert desks.standing(report) is Standing.REPORTED


def test_an_original_of_the_reporter_confirms_nothing(desks: Desks) -> None:
    forged = desks.original(desks.lab, swapped())  # said to be what the true picture was made from
    report = desks.report(desks.lab, astronaut(), forged)
    assert desks.standing(report) is Standing.REPORTED
    assert desks.kind(astronaut()) is not VerdictKind.KNOWN_FAKE


def test_a_reviewer_decides_in_both_directions_and_everybody_can_read_why(desks: Desks) -> None:
    review = desks.reviewer.client.review_fake
    original = desks.original(desks.paper, astronaut())
    report = desks.report(desks.lab, swapped(), original)
    assert review(report.id, confirmed=False, reason="It is a parody, and says so.").fake
    assert desks.standing(report) is Standing.REPORTED
    assert desks.kind(swapped()) is VerdictKind.REPORTED
    asked = "review", report.id, "--confirm", "--reason", "Compared with the film."
    here = "--url", desks.world.url, "--api-key", desks.reviewer.api_key.secret
    for _ in range(2):
        done = CliRunner().invoke(app, [*asked, *here])
        assert (done.exit_code, done.output) == (0, "fake: known fake\n")
    assert desks.kind(swapped()) is VerdictKind.KNOWN_FAKE
    assert "Compared with the film." in httpx2.get(f"{desks.world.url}/records/{report.id}").text
    acts = desks.world.operator.list_acts(act_type=ActType.REVIEW_FAKE)
    assert [(act.object, act.details["confirmed"]) for act in acts] == [
        (report.id, True),
        (report.id, False),
    ]
    desks.world.audit()


def test_only_a_reviewer_of_another_organisation_reviews_and_only_known_fakes(desks: Desks) -> None:
    report, original = desks.report(desks.lab, swapped()), desks.original(desks.paper, astronaut())
    for party in (desks.lab, desks.paper):
        with pytest.raises(NotAllowed):
            party.client.review_fake(report.id, confirmed=True, reason="It is ours.")
    own = desks.world.enrol("Registry", Role.OPERATOR)
    by_themselves = desks.report(own, swapped())
    with pytest.raises(NotAllowed, match="another organisation"):
        own.client.review_fake(by_themselves.id, confirmed=True, reason="It is ours.")
    review = desks.reviewer.client.review_fake
    with pytest.raises(Conflict, match="not withdrawn"):
        review(original, confirmed=True, reason="no fake")
    for nothing_said in ("", "  ", "turned \u202e round"):
        with pytest.raises(BadRequest):
            review(report.id, confirmed=True, reason=nothing_said)
    desks.lab.client.withdraw(report.id)
    with pytest.raises(Conflict):
        review(report.id, confirmed=True, reason="withdrawn")


def test_a_doubted_report_is_no_voice_for_another(desks: Desks) -> None:
    first = desks.report(desks.lab, swapped())
    second = desks.report(desks.institute, swapped(), quality=85)
    desks.reviewer.client.review_fake(second.id, confirmed=False, reason="It is a parody.")
    assert desks.standing(first) is Standing.REPORTED


def test_a_version_of_the_publisher_s_own_is_no_fake_of_its_original(desks: Desks) -> None:
    original = desks.original(desks.paper, astronaut())
    content = encoded(swapped(), quality=90)
    desks.world.register(desks.paper, content, "ours", AssetClass.DERIVATIVE, derived_from=(original,))
    report = desks.report(desks.lab, swapped(), original)
    assert report.fake is not None
    assert report.fake.altered_from == ()
    assert desks.standing(report) is Standing.REPORTED


def test_what_could_not_be_compared_confirms_nothing(desks: Desks) -> None:
    content = encoded(swapped(), quality=85)
    desks.world.register(desks.institute, content, "fake", FAKE, preview=False)
    assert desks.report(desks.lab, astronaut()).fake == FakeStanding(standing=Standing.REPORTED)
    same = desks.world.register(desks.lab, content, "fake", FAKE).record
    assert same.fake is not None
    assert same.fake.standing is Standing.CONFIRMED  # the same file
