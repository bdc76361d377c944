"""Which page of an upload of several pages is answered about: a TIFF can hold a picture on any of them."""

from dataclasses import replace

from registry.match.matching import find_matches
from registry.media.uploads import Upload
from registry.services import RequestContext
from registry.storage.models import Record


def page_to_answer(context: RequestContext, upload: Upload, only: Record | None = None) -> Upload:
    """The page whose best match ranks first, with a note which it is; without any match the first.

    `only`: matches of that record alone count.
    """
    if not upload.further_pages:
        return upload
    pages = (upload, *upload.further_pages)
    ranked = []
    for number, page in enumerate(pages):
        if page.insufficient_detail:
            continue  # an empty page between others
        found = find_matches(context, page, only=only, describe=lambda _: False)
        ranked.append((not found, found[0].rank_key if found else (), number))
    nothing_found, _, number = min(ranked, default=(True, (), 0))
    said = "nothing was found on any of them" if nothing_found else "the one that matches best"
    note = f"page {number + 1} of {len(pages)} that were read: {said}"
    image = pages[number].image
    assert image is not None
    notes = (*(upload.image.notes if upload.image else ()), *image.notes)
    return replace(pages[number], image=replace(image, notes=(*dict.fromkeys(notes), note)))
