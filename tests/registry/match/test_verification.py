"""What verification asks about in its second pass, on real pictures."""

from PIL import ImageOps

from registry.match.candidates import RetrievedRecord
from registry.match.retrieval import retrieve, retrieve_named
from registry.match.verification import verify_candidates
from registry.storage.db import transaction
from registry.storage.models import Record
from tests.pictures import encoded, picture
from tests.world import World


def test_a_record_that_was_only_named_hides_nothing_that_parts_of_the_upload_would_find(
    world: World,
) -> None:
    desk = world.enrol("Daily Example")
    ground = world.register(desk, encoded(picture("coffee")), "ground").record
    inset = world.register(desk, encoded(picture("cat")), "inset").record
    collage = picture("coffee").resize((1200, 800))
    collage.paste(ImageOps.expand(picture("cat").resize((420, 280)), 14, "white"), (700, 60))
    content = encoded(collage)
    with transaction(world.engine) as session:
        context = world.services.in_request(session)
        upload = world.services.uploads.read(content)
        record = session.get(Record, ground.id)
        assert record is not None

        def found(retrieved: RetrievedRecord) -> set[str]:
            return {one.record.id for one in verify_candidates(context, upload, [retrieved])}

        named = retrieve_named(context, upload, record)
        assert found(named) == {ground.id, inset.id}, (
            "a search missed the ground: its parts are asked about"
        )
        searched = next(one for one in retrieve(context, upload) if one.record.id == ground.id)
        assert found(searched) == {ground.id}, "a search confirmed it: the second pass is spared"
