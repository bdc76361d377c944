"""The pages as a person sees them, in headless Chromium where it is installed."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Page, expect, sync_playwright

from samples.video_edits import Piece, write_pieces
from sdk.models import Role
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.portraits import astronaut, swapped
from tests.videos import clip, original
from tests.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking"]  # a closed network refuses what it asks for
ANSWERED_WITHIN_MS = 60_000  # the first answer loads the models, beside whatever else the machine does
SCREENSHOTS = os.environ.get("TRUEPRINT_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    expect.set_options(timeout=ANSWERED_WITHIN_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1100, "height": 1000})
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))

    def listen(message: ConsoleMessage) -> None:
        # Browser and htmx report a refused upload; the page must answer it, which tests look at.
        if message.type == "error" and "413" not in message.text:
            failures.append(message.text)

    opened.on("console", listen)
    yield opened
    context.close()
    assert failures == []


def keep(page: Page, name: str) -> None:
    """Keeps a screenshot for people where TRUEPRINT_SCREENSHOTS names a folder."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Waits from outside: the page's own policy forbids Playwright to wait inside of it."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came to hold")


def file(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_the_front_page_explains_and_lists_what_is_registered(world: World, page: Page) -> None:
    page.goto(world.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("What is this picture or video really?")
    expect(page.get_by_text("Nothing is registered yet")).to_be_visible()
    keep(page, "empty")
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"), "coffee.jpg")
    page.reload()
    expect(page.get_by_role("link", name="coffee.jpg")).to_be_visible()
    keep(page, "front")


def test_a_dropped_picture_gets_its_verdict_both_pictures_region_and_receipt(
    world: World, page: Page, tmp_path: Path
) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"), "coffee.jpg")
    upload = file(tmp_path, "cropped.jpg", encoded(picture("coffee").crop((120, 40, 520, 360))))
    page.goto(world.url)
    page.get_by_label("Drop a picture or video here").set_input_files(upload)
    page.get_by_role("button", name="Look it up").click()
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("made from 'coffee.jpg'")
    page.get_by_text("The pictures as they are").click()
    expect(page.locator(".match details img")).to_have_count(2)
    for image in page.locator(".match img").all():
        assert image.evaluate("one => one.complete && one.naturalWidth > 0")
    expect(page.locator(".match details polygon")).to_have_count(1)
    page.get_by_text("Receipt: checked here").click()
    expect(page.locator(".steps li").first).to_contain_text("signed by")
    keep(page, "verdict")
    assert page.url.rstrip("/") == world.url
    page.get_by_role("link", name="coffee.jpg").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("coffee.jpg")
    expect(page.locator(".steps li")).to_have_count(5)
    keep(page, "record")


def test_unrelated_pictures_fakes_and_broken_files_are_each_said_in_words(
    world: World, page: Page, tmp_path: Path
) -> None:
    lab = world.enrol("A lab", Role.RESEARCHER)
    world.register(lab, encoded("astronaut"), "fake-1", AssetClass.KNOWN_FAKE)
    cases = {
        "stranger.jpg": (encoded("coffee"), "Not in this registry; this says nothing about authenticity."),
        "fake.jpg": (encoded("astronaut", quality=40), "as a fake, which nobody else has confirmed"),
        "broken.jpg": (encoded("coffee")[:3000], "The file cannot be decoded"),
        "notes.txt": (b"no picture", "This kind of file is not read"),
        "huge.jpg": (encoded("coffee") + bytes(101 << 20), "The file is too large"),
    }
    for name, (content, words) in cases.items():
        page.goto(world.url)
        page.get_by_label("Drop a picture or video here").set_input_files(file(tmp_path, name, content))
        page.get_by_role("button", name="Look it up").click()
        expect(page.locator(".verdict")).to_contain_text(words)
        keep(page, name.partition(".")[0])


def test_a_known_fake_is_shown_beside_its_registered_original(
    world: World, page: Page, tmp_path: Path
) -> None:
    desk, lab = world.enrol("Daily Example"), world.enrol("A lab", Role.RESEARCHER)
    record = world.register(desk, encoded(astronaut(), "PNG"), "portrait.png").record
    fake = encoded(swapped(), "PNG")
    world.register(lab, fake, "fake-1", AssetClass.KNOWN_FAKE, derived_from=(record.id,))
    for name, content in (("copy.jpg", encoded(swapped(), quality=70)), ("very-file.png", fake)):
        page.goto(world.url)
        page.set_input_files("#media", file(tmp_path, name, content))
        page.get_by_role("button", name="Look it up").click()
        expect(page.locator(".verdict")).to_contain_text("known fake")
        first = page.locator(".match").first
        original = first.get_by_alt_text("What it was made from: portrait.png")
        expect(original).to_be_visible()
        assert original.evaluate("one => one.complete && one.naturalWidth > 0")
        assert original.get_attribute("src") == f"/v1/records/{record.id}/preview"
        keep(page, f"fake-and-original-{name.partition('.')[0]}")


def test_the_form_works_without_scripts_and_with_the_keyboard(world: World, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(world.url)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    payload: FilePayload = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": encoded("coffee")}
    page.get_by_label("Drop a picture or video here").set_input_files(payload)
    page.get_by_role("button", name="Look it up").click()
    expect(page.locator(".verdict")).to_contain_text("Not in this registry")
    context.close()


def test_pages_load_nothing_from_elsewhere_and_say_so_to_the_browser(world: World) -> None:
    with httpx2.Client(base_url=world.url) as http:
        answer = http.get("/")
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "http://" not in answer.text.replace(world.url, "")
        assert "https://" not in answer.text
        missing = http.get("/records/nothing")
        assert missing.status_code == 404
        assert "No such record" in missing.text


def test_a_label_with_markup_is_shown_not_run(world: World) -> None:
    desk = world.enrol("<script>alert(1)</script>")
    world.register(desk, encoded("coffee"), "<img src=x onerror=alert(2)>")
    with httpx2.Client(base_url=world.url) as http:
        text = http.get("/").text
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def look_up_swap(page: Page, world: World, tmp_path: Path, *, intimate: bool = False) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(astronaut(), "PNG"), "astronaut", intimate=intimate)
    page.goto(world.url)
    page.set_input_files("#media", file(tmp_path, "upload.jpg", encoded(swapped())))
    page.get_by_role("button", name="Look it up").click()
    expect(page.locator(".match")).to_be_visible()


def test_a_face_swap_is_explained_and_can_be_compared_in_four_ways(
    page: Page, world: World, tmp_path: Path
) -> None:
    look_up_swap(page, world, tmp_path)
    expect(page.locator(".verdict")).to_contain_text("a face was replaced (face swap)")
    expect(page.locator(".close-up figcaption").first).to_contain_text("Face swap")
    expect(page.locator(".close-up img")).to_have_count(2)
    keep(page, "face-swap")
    page.get_by_label("Slider").check()
    slider = page.get_by_role("slider")
    slider.focus()
    before = page.locator("[data-over]").evaluate("one => one.style.clipPath")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    after = page.locator("[data-over]").evaluate("one => one.style.clipPath")
    assert before != after, "the arrow keys move the edge"
    keep(page, "face-swap-slider")
    page.get_by_label("Blink").check()
    expect(page.locator("[data-which]")).not_to_be_empty()
    page.get_by_role("button", name="Pause").click()
    shown = page.locator("[data-which]").inner_text()
    page.wait_for_timeout(900)
    assert page.locator("[data-which]").inner_text() == shown, "paused"
    page.get_by_label("Difference").check()
    expect(page.get_by_alt_text("What differs once size")).to_be_visible()
    keep(page, "face-swap-difference")
    page.get_by_label("Side by side").check()
    for name, start in (("as a picture", b"\x89PNG"), ("as an animation", b"GIF8"), ("as a PDF", b"%PDF")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert download.value.path().read_bytes().startswith(start)
    page.get_by_label("Heat map").check()
    expect(page.locator("[data-way=sides] img.map").first).to_be_visible()
    keep(page, "face-swap-heat")
    page.get_by_label("Outline what changed").uncheck()
    expect(page.locator("[data-way=sides] svg.map").first).to_be_hidden()


def test_nothing_blinks_for_whoever_asked_for_less_motion(
    browser: Browser, world: World, tmp_path: Path
) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    look_up_swap(page, world, tmp_path)
    page.get_by_label("Blink").check()
    shown = page.locator("[data-which]").inner_text()
    page.wait_for_timeout(900)
    assert page.locator("[data-which]").inner_text() == shown
    page.get_by_role("button", name="Turn").click()
    assert page.locator("[data-which]").inner_text() != shown
    context.close()


def test_of_an_intimate_record_only_the_picture_that_was_sent_is_shown_blurred_until_asked_for(
    page: Page, world: World, tmp_path: Path
) -> None:
    look_up_swap(page, world, tmp_path, intimate=True)
    expect(page.locator(".verdict")).to_contain_text("a face was replaced (face swap)")
    expect(
        page.get_by_text("The registered picture is intimate and is not shown on any page.")
    ).to_be_visible()
    expect(page.locator("[data-comparison]")).to_have_count(0)
    [own] = page.locator(".match img").all()
    assert "blur" in own.evaluate("one => getComputedStyle(one).filter")
    expect(page.locator(".match polygon").first).to_be_visible()
    keep(page, "intimate")
    page.get_by_label("Your picture is blurred here: show it").check()
    assert own.evaluate("one => getComputedStyle(one).filter") == "none"
    keep(page, "intimate-revealed")
    page.locator(".match h3 a").click()
    expect(page.get_by_text("The registered picture is intimate")).to_be_visible()
    expect(page.locator("main img")).to_have_count(0)
    keep(page, "intimate-record")


def test_of_an_intimate_video_only_the_one_that_was_sent_is_played_beside_the_seconds_in_words(
    page: Page, world: World, tmp_path: Path
) -> None:
    world.register(world.enrol("Daily Example"), original("coffee"), "statement.mp4", intimate=True)
    upload = write_pieces([Piece(clip("coffee"), 0.5, 3.5)], codec="libvpx-vp9", container="webm")
    page.goto(world.url)
    page.set_input_files("#media", file(tmp_path, "cut.webm", upload))
    page.get_by_role("button", name="Look it up").click()
    comparison = page.locator("[data-video-comparison]")
    expect(comparison.locator(".segments li")).to_contain_text("of the original")
    expect(comparison.get_by_text("The registered footage is intimate")).to_be_visible()
    expect(comparison.locator("img, form")).to_have_count(0)
    video = comparison.locator("video")
    assert "blur" in video.evaluate("one => getComputedStyle(one).filter")
    keep(page, "intimate-video")
    page.get_by_label("Your video is blurred here: show it").check()
    assert video.evaluate("one => getComputedStyle(one).filter") == "none"


def test_without_scripts_the_two_stand_side_by_side(browser: Browser, world: World, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(astronaut(), "PNG"), "astronaut")
    page.goto(world.url)
    page.set_input_files("#media", file(tmp_path, "upload.jpg", encoded(swapped())))
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_alt_text("Your picture, laid on it").first).to_be_visible()
    expect(page.get_by_role("slider")).to_have_count(0)
    context.close()


def test_a_video_is_played_beside_the_registered_frames_of_the_same_moments(
    world: World, page: Page, tmp_path: Path
) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, original("coffee", "cat"), "statement.mp4")
    upload = write_pieces([Piece(clip("coffee", "cat"), 2.5, 8.0)], codec="libvpx-vp9", container="webm")
    page.goto(world.url)
    page.set_input_files("#media", file(tmp_path, "cut.webm", upload))
    page.get_by_role("button", name="Look it up").click()
    expect(page.locator("#working progress")).to_be_visible()
    expect(page.locator(".verdict h2")).to_contain_text("made from 'statement.mp4'")
    comparison = page.locator("[data-video-comparison]")
    button = comparison.get_by_role("button", name="00:00.0 to 00:05.5")
    expect(comparison.locator(".segments li")).to_contain_text("is 00:02.5 to 00:08.0 of the original")
    expect(comparison.locator(".strip rect")).to_have_count(1)
    keep(page, "video")
    video = comparison.locator("video")
    expect(video).to_be_visible()
    until(page, lambda: video.evaluate("player => player.readyState") >= 2)
    # Regions are drawn over the element, so it must be as wide and high as its picture, no more.
    video.evaluate("player => player.style.maxHeight = '120px'")  # as a portrait is bounded by its height
    box = video.bounding_box()
    assert box is not None
    assert abs(box["width"] / box["height"] - 320 / 240) < 0.02
    button.click()
    until(page, lambda: video.evaluate("player => player.currentTime") > 0.5)
    video.evaluate("player => player.pause()")
    at = float(video.evaluate("player => player.currentTime"))
    expect(comparison.locator("[data-reference-clock]")).to_have_text(re.compile(r"00:0\d\.\d"))
    shown = comparison.locator("[data-reference]").get_attribute("src")
    assert shown is not None
    assert abs(int(shown.rpartition("/")[2]) / 1000 - (at + 2.5)) < 0.3
    with page.expect_download() as download:
        comparison.get_by_role("button", name="side by side (MP4)").click()
    assert download.value.suggested_filename == "comparison.mp4"
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"
