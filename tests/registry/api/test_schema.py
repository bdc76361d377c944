"""Whatever the OpenAPI document allows is answered as the document says, never with a fault of ours;
so is what it does not allow.

Requests are drawn from the document by schemathesis, over real HTTP, and are always the same.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sdk.keys import thumbprint
from sdk.models import NewApiKey, Role, Scope
from tests.checks import DOCUMENT
from tests.pictures import encoded
from tests.world import World

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

EXAMPLES = 10  # of each operation, good and bad; all together take about half a minute
DRAWN = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    getattr(schemathesis.checks, name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in schemathesis.openapi.from_path(DOCUMENT).get_all_operations()
}
# What changes a record is asked about one of its own, so that the others go on finding theirs.
CHANGING = ("eraseRecord", "withdrawRecord")


@pytest.fixture(scope="module")
def there(world_of_module: World) -> Mapping[str, str]:
    """Ids of what there is, by the names of parameters; without them nearly all answers were 404."""
    world = world_of_module
    lab = world.enrol("A lab", Role.RESEARCHER)
    spare = world.operator.issue_api_key(NewApiKey(publisher=lab.publisher.id, scopes=(Scope.MATCH,)))
    return {
        "record_id": world.register(lab, encoded("coffee")).record.id,
        "to_change": world.register(lab, encoded("cat")).record.id,
        "publisher_id": lab.publisher.id,
        "kid": thumbprint(lab.key),
        "key_id": spare.id,
        "index": "0",
    }


def strategies(name: str) -> list[Any]:
    """Good requests, and bad ones where the operation takes anything that could be bad."""
    operation, modes = OPERATIONS[name], schemathesis.GenerationMode
    good = operation.as_strategy(generation_mode=modes.POSITIVE)
    takes_something = bool(operation.body) or any(True for _ in operation.iter_parameters())
    return [good, operation.as_strategy(generation_mode=modes.NEGATIVE)] if takes_something else [good]


# Hypothesis takes it for ours when the server, which runs beside in this process, draws a random number.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_answers_as_the_document_says(
    world_of_module: World, there: Mapping[str, str], name: str
) -> None:
    headers = {"Authorization": f"Bearer {world_of_module.operator_secret}"}

    @DRAWN
    @given(case=st.one_of(strategies(name)), of_what_is_there=st.booleans())
    def asked(case: Any, of_what_is_there: bool) -> None:
        if of_what_is_there and case.path_parameters:
            known = {**there, "record_id": there["to_change"]} if name in CHANGING else there
            case.path_parameters |= {
                parameter: known[parameter] for parameter in case.path_parameters if parameter in known
            }
        answer = case.call(base_url=world_of_module.url, headers=headers, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    asked()
