"""The endpoint of administrative acts."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from registry.api.deps import Operator, SessionDep
from registry.records import acts
from sdk.models import Act, ActType

router = APIRouter(prefix="/v1/acts", tags=["acts"])
Id = Annotated[str | None, Query(max_length=100)]


@router.get("", operation_id="listActs")
def list_acts(
    session: SessionDep,
    _: Operator,
    before: Annotated[
        int | None, Query(ge=0, le=(1 << 63) - 1, description="acts below this number")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    act_type: Annotated[ActType | None, Query(alias="type")] = None,
    api_key: Annotated[Id, Query(description="id of the API key that acted")] = None,
    publisher: Annotated[Id, Query(description="whose API key acted")] = None,
    act_object: Annotated[Id, Query(alias="object", description="id of what it was done to")] = None,
    since: AwareDatetime | None = None,
) -> list[Act]:
    """Lists administrative acts, newest first: a chain of digests that the log commits to."""
    wanted = acts.ActFilter(before, act_type, api_key, publisher, act_object, since)
    return acts.list_acts(session, wanted, limit)
