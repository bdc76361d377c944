"""What a strict reader refuses is a problem document, however it is sent."""

import json

import httpx2
import pytest

from sdk.encodings import encode_base64url
from sdk.errors import BadRequest
from tests.pictures import encoded
from tests.registry.api.test_http import problem_of
from tests.sdk.test_records import signed
from tests.world import World


@pytest.mark.parametrize("depth", [200, 900, 990, 1000, 5_000, 100_000])
@pytest.mark.parametrize("path", ["/v1/publishers", "/v1/match/fingerprints", "/v1/records/fingerprints"])
def test_deep_nesting_in_a_body_is_the_senders_fault(world: World, path: str, depth: int) -> None:
    headers = {
        "Authorization": world.operator._http.headers["authorization"],
        "Content-Type": "application/json",
    }
    whole = b"[" * depth + b"]" * depth
    with httpx2.Client(base_url=world.url, headers=headers) as http:
        for body in (whole, b"[" * depth, b'{"name":' * depth, b'{"fingerprints":' + whole + b"}"):
            document = problem_of(http.post(path, content=body))
            assert document["status"] in (400, 422)
        assert problem_of(http.post(path, content=b"[" * 100_000))["code"] == "nested_too_deep"


def test_deep_nesting_in_a_statement_is_the_senders_fault(world: World) -> None:
    desk, picture = world.enrol("Daily Example"), encoded("coffee")
    nested = encode_base64url(b"[" * 5_000)
    for statement in (f"{nested}.e30.AA", signed(b"[" * 5_000, desk.key)):
        with pytest.raises(BadRequest) as error:
            desk.client.register(picture, statement)
        assert (error.value.code, error.value.status) == ("nested_too_deep", 400)


def test_a_statement_for_another_registry_is_refused(world: World) -> None:
    desk, picture = world.enrol("Daily Example"), encoded("coffee")
    for audience in (("other.example/log",), ("localhost/lo",)):
        with pytest.raises(BadRequest, match="another registry") as error:
            world.register(desk, picture, audience=audience)
        assert error.value.code == "bad_statement"
    record = world.register(desk, picture, audience=("other.example/log", "localhost/log")).record
    assert json.loads(desk.client.get_record(record.id).model_dump_json())["status"] == "active"
    world.audit()
