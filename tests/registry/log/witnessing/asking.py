"""What tests of a witnessed log ask of it."""

import pytest

from registry.log.transparency_log import head_of
from registry.storage.db import transaction
from sdk.errors import ServerError
from tests.world import Party, World

PICTURES = ("coffee", "cat", "astronaut", "rocket")


def size_of(world: World) -> int:
    with transaction(world.engine) as session:
        return head_of(session).size


def refused(world: World, desk: Party, content: bytes) -> ServerError:
    with pytest.raises(ServerError) as raised:
        world.register(desk, content)
    return raised.value
