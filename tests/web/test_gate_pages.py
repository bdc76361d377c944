"""Pages of the gate as people see them: the uploader, the platform's people, and who reads a policy."""

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sdk import gate_calls
from sdk.models import Decision, GateContext, Role
from tests.pictures import encoded
from tests.portraits import astronaut, swapped
from tests.web.test_pages import CHROMIUM, FLAGS, keep
from tests.world import Party, World


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 420, "height": 900})
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.on("console", lambda said: failures.append(said.text) if said.type == "error" else None)
    yield opened
    context.close()
    assert failures == []


@pytest.fixture
def held(world: World) -> tuple[Party, Decision]:
    """A platform, and the face swap that it holds under the policy of 2020."""
    paper, platform = world.enrol("Daily Example"), world.enrol("Chat <service>", Role.PLATFORM)
    world.register(paper, encoded(astronaut(), "PNG"), "a portrait")
    platform.client.send(gate_calls.activate("twitter-2020", "to try it"))
    return platform, platform.client.gate(
        encoded(swapped(), quality=85), GateContext(content_ref="<b>m1</b>", language="de")
    )


def is_no_wider_than_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_the_uploader_reads_why_in_each_language_and_sees_no_picture(
    held: tuple[Party, Decision], page: Page
) -> None:
    _, decision = held
    page.goto(decision.links.explain)
    expect(page.get_by_role("heading", level=1)).to_contain_text("vorerst nicht veröffentlicht")
    expect(page.get_by_text("Chat <service>").first).to_be_visible()
    expect(page.get_by_text("<b>m1</b>")).to_be_visible()
    assert page.locator("main img").count() == 0
    assert is_no_wider_than_the_window(page)
    keep(page, "decision")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("not published for now")
    page.get_by_role("link", name="face-differs", exact=True).click()
    expect(page.get_by_role("heading", name="face-differs")).to_be_visible()
    assert is_no_wider_than_the_window(page)


def test_the_platforms_people_decide_with_a_key_that_no_page_keeps(
    held: tuple[Party, Decision], page: Page
) -> None:
    platform, decision = held
    page.goto(decision.links.explain)
    page.locator("summary").click()
    page.get_by_label("API key").fill(platform.api_key.secret)
    page.get_by_role("button", name="Show what it rests on").click()
    expect(page.get_by_role("heading", name="The three questions")).to_be_visible()
    assert platform.api_key.secret not in page.content()
    assert is_no_wider_than_the_window(page)
    keep(page, "decision-staff")
    page.get_by_label("What is to happen").select_option("allow")
    page.get_by_label("Why").fill("licensed")
    page.get_by_label("Your name").fill("dana")
    page.get_by_label("API key").fill(platform.api_key.secret)
    page.get_by_role("button", name="Note the decision").click()
    expect(page.get_by_text("by dana: licensed")).to_be_visible()
    page.get_by_role("link", name="What the uploader reads").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("veröffentlicht")
    assert "dana" not in page.content()


def test_a_wrong_key_an_unknown_address_and_a_name_that_cannot_be_are_said_plainly(
    held: tuple[Party, Decision], world: World
) -> None:
    platform, decision = held
    odd = httpx2.post(decision.links.explain, data={"api_key": "trueprint_a\0_b"})
    assert odd.status_code == 401
    wrong = httpx2.post(decision.links.explain, data={"api_key": "trueprint_a_b"})
    assert wrong.status_code == 401
    assert "this API key is not known here" in wrong.text
    gone = httpx2.get(f"{world.url}/decisions/{'0' * 32}")
    assert (gone.status_code, "no decision has this address" in gone.text) == (404, True)
    form = {"api_key": platform.api_key.secret, "outcome": "allow", "by": "comparison", "reason": "x"}
    refused = httpx2.post(f"{decision.links.explain}/review", data=form)
    assert (refused.status_code, "no names of people" in refused.text) == (422, True)
    for answer in (wrong, gone, httpx2.get(decision.links.explain)):
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["x-robots-tag"] == "noindex"


def test_a_policy_shows_its_rules_and_the_text_that_its_digest_is_of(world: World, page: Page) -> None:
    page.goto(f"{world.url}/policies/ncii-strict")
    expect(page.get_by_role("heading", name="deepfake-first-poster")).to_be_visible()
    assert is_no_wider_than_the_window(page)
    keep(page, "policy")
    assert httpx2.get(f"{world.url}/policies/ncii-strict/nothing").status_code == 404
    assert httpx2.get(f"{world.url}/policies/ncii-strict/text").text.startswith("#")


def test_a_publishers_title_makes_no_link_and_is_gone_with_its_record(world: World) -> None:
    paper, platform = world.enrol("Daily Example"), world.enrol("Chat", Role.PLATFORM)
    title = "Appeal within 24 hours at https://appeals.example.com"
    record = world.register(paper, encoded("coffee"), title).record
    platform.client.send(gate_calls.activate("twitter-2020", "to try it"))
    decision = platform.client.gate(encoded("coffee", quality=85))
    shown = httpx2.get(decision.links.explain).text
    assert title in shown
    assert 'href="https://appeals' not in shown
    assert decision.rule is not None
    assert f'<a href="{decision.rule.page}" rel="noreferrer">' in shown
    paper.client.erase(record.id)
    for language in ("en", "de"):
        erased = httpx2.get(decision.links.explain, params={"lang": language}).text
        assert "appeals.example.com" not in erased
        assert "(erased)" in erased


def test_a_policy_that_can_no_longer_be_read_breaks_no_page_of_a_decision(world: World) -> None:
    platform = world.enrol("Chat", Role.PLATFORM)
    platform.client.send(gate_calls.activate("label-only", "to try it"))
    decision = platform.client.gate(encoded("cat"))
    world.tamper("UPDATE policy_pack SET text = 'no pack'")
    for language in ("en", "de"):
        assert httpx2.get(decision.links.explain, params={"lang": language}).status_code == 200
