"""Nothing of an intimate picture or video leaves on any route for those who may not see it.

Every route of the app is asked, with each of its methods, by nobody and with keys of every role; every
picture in every answer is decoded. A route that is not in `CONSIDERED` fails: think about what it shows,
then add it.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.routing import BaseRoute, Mount, Route

from registry.app import create_app
from samples.video_edits import Piece
from sdk import models
from sdk.models import NewApiKey, Role, Scope
from tests.pictures import encoded, picture
from tests.videos import clip, edited, original
from tests.waiting import soon
from tests.web.senders_own import Picture, pictures_in, same_picture, shows
from tests.world import Party, World

HIDDEN = (210, 90, 420, 300)  # what the upload does not show of the registered picture
LEAST_SEEN, MOST_SEEN = 0.8, 0.5  # correlation with that part: where it is shown, and where it is not
SEES = {"owner", "reviewer", "operator"}
VIEWERS = [*(role.value for role in Role), "nobody", "owner", "owner who matches only", "admin"]
ASKING_FOR_PAGES = {"nobody", "reviewer"}  # a page does not look at keys
OF_VIDEOS = "GET /v1/records/{record_id}/frames/{time_ms}"
SHOWN_BY = {
    "GET /v1/records/{record_id}/preview",
    OF_VIDEOS,
    "POST /v1/compare",
    "POST /v1/compare/picture",
}
STRICT = models.GateContext(policy="ncii-strict")
Ask = dict[str, Any]  # of httpx2: url, data, files, json, headers


def shown_upload() -> Image.Image:
    """The registered picture with another one pasted over a part of it."""
    edited_picture = picture("coffee").copy()
    left, top, right, bottom = HIDDEN
    edited_picture.paste(picture("cat").crop((100, 40, 100 + right - left, 40 + bottom - top)), (left, top))
    return edited_picture


def grey(image: Image.Image) -> Picture:
    return np.asarray(image.convert("L"))


@dataclass
class Scene:
    """A registry with an intimate picture and an intimate video, and who asks about them."""

    world: World
    owner: Party
    still: str
    video: str
    withdrawn: str  # an intimate picture that may be withdrawn and erased
    statement: str
    keys: dict[str, str | None]
    upload: bytes
    footage: bytes
    jobs: list[str] = field(default_factory=list)  # of videos that were matched, by several of them
    decisions: list[str] = field(default_factory=list)  # of a platform's gate, about what is intimate
    addresses: list[str] = field(default_factory=list)  # of the pages of these

    @property
    def records(self) -> tuple[str, str]:
        return self.still, self.video


@pytest.fixture(scope="module")
def scene(world_of_module: World) -> Scene:
    world = world_of_module
    owner = world.enrol("Daily Example")
    content = encoded("coffee", quality=92)
    statement = owner.sign(owner.statement(content, "still", preview_allowed=True, intimate=True))
    still = owner.client.register(content, statement).record.id
    video = world.register(owner, original("rocket"), "video", intimate=True).record.id
    withdrawn = world.register(owner, encoded("hubble"), "withdrawn", intimate=True).record.id
    parties = {role.value: world.enrol(f"A {role.value}", role) for role in Role}
    narrow = NewApiKey(publisher=owner.publisher.id, scopes=(Scope.MATCH,))
    admin = NewApiKey(publisher=parties["operator"].publisher.id, scopes=(Scope.ADMIN,))
    keys: dict[str, str | None] = {name: party.api_key.secret for name, party in parties.items()}
    keys |= {"nobody": None, "owner": owner.api_key.secret}
    keys |= {"owner who matches only": world.operator.issue_api_key(narrow).secret}
    keys |= {"admin": world.operator.issue_api_key(admin).secret}
    footage = edited(Piece(clip("rocket"), 0.5, 2.5))
    made = Scene(world, owner, still, video, withdrawn, statement, keys, encoded(shown_upload()), footage)
    for name in ("owner", "platform", "reviewer"):
        made.jobs.append(finished_job(made, keys[name]))
    for content in (made.upload, footage):
        decision = parties["platform"].client.gate(content, STRICT, wait=True)
        made.decisions.append(decision.id)
        made.addresses.append(decision.links.explain.rpartition("/")[2])
    return made


def finished_job(scene: Scene, key: str | None) -> str:
    """Matches the footage in the background; returns the job's id."""
    with asking(scene, key) as http:
        accepted = http.post("/v1/match", files={"media": scene.footage}, headers={"Prefer": "wait=0"})
        job = models.Job.model_validate_json(accepted.content)
        assert soon(lambda: http.get(f"/v1/jobs/{job.id}").json()["finished_at"] is not None)
    return job.id


def asking(scene: Scene, key: str | None) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.Client(base_url=scene.world.url, headers=headers, timeout=120)


def plain(*urls: str) -> Callable[[Scene], list[Ask]]:
    """Asks for addresses; `{record}` stands for each intimate record, `{job}` for each job."""

    def asks(scene: Scene) -> list[Ask]:
        filled = []
        for url in urls:
            places = {"{record}": scene.records, "{job}": scene.jobs, "{withdrawn}": (scene.withdrawn,)}
            places |= {"{decision}": scene.decisions, "{address}": scene.addresses}
            place = next((name for name in places if name in url), None)
            filled += [url.replace(place, one) for one in places[place]] if place else [url]
        return [{"url": url} for url in filled]

    return asks


def with_json(url: str) -> Callable[[Scene], list[Ask]]:
    return lambda scene: [{"url": url, "json": {"name": "Somebody"}}]


def with_media(url: str, *, video: bool = True, **form: str) -> Callable[[Scene], list[Ask]]:
    """Sends the edited picture, and the footage."""

    def asks(scene: Scene) -> list[Ask]:
        sent = [(scene.still, scene.upload), (scene.video, scene.footage)][: 2 if video else 1]
        return [
            {"url": url, "files": {"media": media}, "data": {"record": record, **form}}
            for record, media in sent
        ]

    return asks


def comparison_pictures(url: str) -> Callable[[Scene], list[Ask]]:
    """The picture of every form, of the still and of the video."""

    def asks(scene: Scene) -> list[Ask]:
        wanted = [(scene.still, scene.upload, form) for form in ("png", "gif", "pdf")]
        wanted += [(scene.video, scene.footage, form) for form in ("mp4", "gif")]
        return [
            {"url": url, "files": {"media": media}, "data": {"record": record, "form": form}}
            for record, media, form in wanted
        ]

    return asks


def staff_forms(url: str) -> Callable[[Scene], list[Ask]]:
    """What the platform's people send from the page of a decision."""

    def asks(scene: Scene) -> list[Ask]:
        form = {"api_key": scene.keys["platform"], "outcome": "refuse", "by": "dana", "reason": "seen"}
        return [{"url": url.replace("{address}", one), "data": form} for one in scene.addresses]

    return asks


def registrations(scene: Scene) -> list[Ask]:
    again = {"files": {"media": encoded("coffee", quality=92)}, "data": {"statement": scene.statement}}
    bad = {"files": {"media": scene.upload}, "data": {"statement": scene.statement}}
    return [{"url": "/v1/records", **again}, {"url": "/v1/records", **bad}]


def fingerprints(scene: Scene) -> list[Ask]:
    value = "pdq.v1:" + "0" * 64
    return [{"url": "/v1/match/fingerprints", "json": {"fingerprints": [{"value": value}]}}]


CONSIDERED: dict[str, Callable[[Scene], list[Ask]]] = {
    "GET /openapi.json": plain("/openapi.json"),
    "POST /v1/publishers": with_json("/v1/publishers"),
    "GET /v1/publishers": plain("/v1/publishers"),
    "GET /v1/publishers/{publisher_id}": plain("/v1/publishers/none"),
    "GET /v1/whoami": plain("/v1/whoami"),
    "GET /v1/publishers/{publisher_id}/keys": plain("/v1/publishers/none/keys"),
    "POST /v1/publishers/{publisher_id}/keys": with_json("/v1/publishers/none/keys"),
    "POST /v1/publishers/{publisher_id}/keys/{kid}/rotate": with_json("/v1/publishers/none/keys/a/rotate"),
    "POST /v1/publishers/{publisher_id}/keys/{kid}/revoke": with_json("/v1/publishers/none/keys/a/revoke"),
    "GET /v1/keys/{kid}/validity": plain("/v1/keys/none/validity?at=2026-01-01T00:00:00Z"),
    "POST /v1/api-keys": with_json("/v1/api-keys"),
    "POST /v1/api-keys/{key_id}/revoke": with_json("/v1/api-keys/none/revoke"),
    "POST /v1/records": registrations,
    "POST /v1/records/fingerprints": with_json("/v1/records/fingerprints"),
    "GET /v1/records": plain("/v1/records"),
    "GET /v1/records/{record_id}": plain("/v1/records/{record}"),
    "GET /v1/records/{record_id}/receipt": plain("/v1/records/{record}/receipt"),
    "GET /v1/records/{record_id}/preview": plain(
        "/v1/records/{record}/preview", "/v1/records/urn:uuid:{record}/preview"
    ),
    "GET /v1/records/{record_id}/frames/{time_ms}": plain("/v1/records/{record}/frames/500"),
    "POST /v1/records/{record_id}/withdraw": plain("/v1/records/{withdrawn}/withdraw"),
    "POST /v1/records/{record_id}/review": plain("/v1/records/{record}/review"),
    "DELETE /v1/records/{record_id}": plain("/v1/records/{withdrawn}"),
    "POST /v1/match": with_media("/v1/match", video=False),  # videos: the jobs
    "POST /v1/match/fingerprints": fingerprints,
    "POST /v1/gate": with_media("/v1/gate", video=False, context=STRICT.model_dump_json()),
    "GET /v1/decisions": plain("/v1/decisions"),
    "GET /v1/decisions/statements": plain("/v1/decisions/statements"),
    "GET /v1/decisions/{decision_id}": plain("/v1/decisions/{decision}"),
    "GET /v1/decisions/{decision_id}/history": plain("/v1/decisions/{decision}/history"),
    "POST /v1/decisions/{decision_id}/review": with_json("/v1/decisions/none/review"),
    "GET /v1/policy-facts": plain("/v1/policy-facts"),
    "GET /v1/policy-packs": plain("/v1/policy-packs"),
    "POST /v1/policy-packs": with_json("/v1/policy-packs"),
    "POST /v1/policy-packs/check": with_json("/v1/policy-packs/check"),
    "POST /v1/policy-packs/test": with_json("/v1/policy-packs/test"),
    "POST /v1/policy-packs/backtest": with_json("/v1/policy-packs/backtest"),
    "GET /v1/policy-packs/{named}": plain("/v1/policy-packs/newsroom"),
    "POST /v1/policy-packs/{named}/activate": with_json("/v1/policy-packs/newsroom/activate"),
    "GET /v1/policy-activations": plain("/v1/policy-activations"),
    "POST /v1/policy-activations/{number}/confirm": with_json("/v1/policy-activations/0/confirm"),
    "POST /v1/policy-activations/rollback": with_json("/v1/policy-activations/rollback"),
    "GET /v1/policy-shadow": plain("/v1/policy-shadow"),
    "GET /v1/gate-settings": plain("/v1/gate-settings"),
    "POST /v1/gate-settings": with_json("/v1/gate-settings"),
    "GET /decisions/{address}": plain("/decisions/{address}", "/decisions/{address}?lang=de"),
    "POST /decisions/{address}": staff_forms("/decisions/{address}"),
    "POST /decisions/{address}/review": staff_forms("/decisions/{address}/review"),
    "GET /schemas/policy-pack.json": plain("/schemas/policy-pack.json"),
    "GET /policies/{named}": plain("/policies/ncii-strict"),
    "GET /policies/{named}/text": plain("/policies/ncii-strict/text"),
    "GET /policies/{named}/{rule_id}": plain("/policies/ncii-strict/deepfake"),
    "GET /v1/jobs/{job_id}": plain("/v1/jobs/{job}"),
    "GET /v1/jobs/{job_id}/result": plain("/v1/jobs/{job}/result"),
    "GET /v1/jobs/{job_id}/events": plain("/v1/jobs/{job}/events"),
    "GET /v1/webhook-secret": plain("/v1/webhook-secret"),
    "POST /v1/compare": with_media("/v1/compare"),
    "POST /v1/compare/picture": comparison_pictures("/v1/compare/picture"),
    "GET /v1/log": plain("/v1/log"),
    "GET /v1/log/keys": plain("/v1/log/keys"),
    "GET /v1/answer-keys": plain("/v1/answer-keys"),
    "GET /v1/acts": plain("/v1/acts"),
    "GET /metrics": plain("/metrics"),
    "GET /v1/log/proof/{index}": plain("/v1/log/proof/0"),
    "GET /v1/log/consistency": plain("/v1/log/consistency?first=1&second=3"),
    "GET /livez": plain("/livez"),
    "GET /readyz": plain("/readyz"),
    "GET /v1/status": plain("/v1/status"),
    "POST /v1/audit": plain("/v1/audit"),
    "GET /.well-known/jwks.json": plain("/.well-known/jwks.json"),
    "GET /log/checkpoint": plain("/log/checkpoint"),
    "GET /log/tile/{path:path}": plain("/log/tile/0/000.p/3", "/log/tile/entries/000.p/3"),
    "GET /": plain("/"),
    "POST /lookup": with_media("/lookup", video=False),  # videos: below
    "GET /lookup/{job_id}": plain("/lookup/{job}"),  # of footage: below
    "POST /lookup/picture": comparison_pictures("/lookup/picture"),
    "GET /records/{record_id}": plain("/records/{record}"),
    "MOUNT /static": plain("/static/style.css", "/static/mark.svg"),
}


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """Every route as `METHOD /path`; a kind of route that is not known here is an error."""
    for route in routes:
        if isinstance(route, Mount):
            yield f"MOUNT {route.path}"
        elif isinstance(route, Route):
            yield from (f"{method} {route.path}" for method in route.methods or () if method != "HEAD")
        else:
            yield from routes_of(route.original_router.routes)  # type: ignore[attr-defined]  # FastAPI's own


def is_page(route: str) -> bool:
    """Whether people open it: nobody has a key there."""
    return not any(part in route for part in (" /v1", " /log/", " /static", "json", "livez", "readyz"))


def answers(http: httpx2.Client, route: str, asked: Ask) -> Iterator[httpx2.Response]:
    """The answer; also to HEAD and to a request for a part; of a page also what it embeds."""
    method = route.partition(" ")[0].replace("MOUNT", "GET")
    answer = http.request(method, **asked)
    yield answer
    if method == "GET":
        yield http.request("HEAD", **asked)
        part = http.get(asked["url"], headers={"Range": "bytes=0-2000"})
        assert part.status_code != 206 or route.startswith("MOUNT"), "no part of a picture is served"
        yield part
    if answer.headers.get("content-type", "").startswith("text/html"):
        for address in re.findall(r"""(?:src|data-frames)=["'](/[^"']*)""", answer.text):
            yield http.get(address + ("500" if address.endswith("/frames/") else ""))


def test_every_route_was_considered(scene: Scene) -> None:
    app = create_app(scene.world.services)
    found = set(routes_of(app.routes))
    assert found == set(CONSIDERED), "think about what a new route shows of an intimate record"
    documented = {
        f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods
    }
    assert documented <= {re.sub(r":path\}", "}", route) for route in found}, "a router has a prefix"


@pytest.mark.parametrize("viewer", VIEWERS)
def test_no_answer_shows_an_intimate_picture_to_those_who_may_not_see_it(
    scene: Scene, viewer: str, caplog: pytest.LogCaptureFixture
) -> None:
    own, hidden = grey(shown_upload()), grey(picture("coffee").crop(HIDDEN))
    shows_any, shows_hidden = set(), set()
    with caplog.at_level(logging.DEBUG):
        for route, shown in pictures_shown_to(scene, viewer):
            if viewer not in SEES or is_page(route):
                assert all(same_picture(one, own) for one in shown), f"{route}: more than was sent"
                assert all(shows(one, hidden) < MOST_SEEN for one in shown), route
                continue
            shows_any |= {route}
            if shows(shown[0], hidden) > LEAST_SEEN:
                shows_hidden |= {route}
    # Those who look for it find it where it is: in a change map, too, the hidden part can be recognised.
    assert shows_any == (SHOWN_BY if viewer in SEES else set())
    assert shows_hidden == (SHOWN_BY - {OF_VIDEOS} if viewer in SEES else set())
    assert not list(pictures_in(caplog.text.encode())), "nothing is logged of a picture"


def pictures_shown_to(scene: Scene, viewer: str) -> Iterator[tuple[str, list[Picture]]]:
    """Asks every route; yields each answer that holds pictures, none of which may be kept by a cache."""
    with asking(scene, scene.keys[viewer]) as http:
        for route, asks in CONSIDERED.items():
            if is_page(route) and viewer not in ASKING_FOR_PAGES:
                continue
            for answer in (answer for asked in asks(scene) for answer in answers(http, route, asked)):
                assert answer.status_code < 500, (route, answer.text)
                shown = list(pictures_in(answer.content))
                if shown:
                    assert answer.headers["cache-control"] == "private, no-store", route
                    assert not {"etag", "last-modified"} & set(answer.headers), route
                    yield route, shown


def test_the_page_about_intimate_footage_shows_none_of_it(scene: Scene) -> None:
    with asking(scene, None) as http:
        working = http.post("/lookup", files={"media": scene.footage}, headers={"HX-Request": "true"})
        found = re.search(r"/lookup/([0-9a-f-]+)", working.text)
        assert found
        pages = [working]

        def is_answered() -> bool:
            pages.append(http.get(f"/lookup/{found[1]}"))
            return "data-video-comparison" in pages[-1].text

        assert soon(is_answered)
        answer = pages[-1]
        assert "is not shown on any page" in answer.text
        assert scene.video in answer.text
        assert "data-times='[]'" in answer.text
        assert answer.headers["cache-control"] == "private, no-store"
        for address in re.findall(r"""(?:src|data-frames)=["'](/[^"']*)""", answer.text):
            pages.append(http.get(address + ("500" if address.endswith("/frames/") else "")))
        assert not [one for page in pages for one in pictures_in(page.content)]


def test_a_refusal_says_who_may_see_it(scene: Scene) -> None:
    with asking(scene, scene.keys["platform"]) as http:
        refused = http.get(f"/v1/records/{scene.still}/preview")
        compared = http.post(
            "/v1/compare", files={"media": scene.upload}, data={"record": scene.still}
        ).json()
    assert refused.status_code == 403
    assert "to keys with the scope review" in refused.json()["detail"]
    assert compared["change_map"] is None
    assert any(operation["region"] for operation in compared["operations"]), "words and regions remain"
