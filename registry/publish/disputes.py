"""Which registered pictures and videos of others a new registration shows: both claims stay visible."""

from sqlmodel import Session

from registry.match.evidence_rules import judge
from registry.match.explanation import derivation_of, has_another_face
from registry.match.verification import find_candidates
from registry.match.video.matching import find_in_video
from registry.media.previews import PreviewCache
from registry.media.uploads import Upload
from registry.records.reading import URN_PREFIX
from registry.records.statements import VerifiedStatement
from registry.services import Services
from sdk.models import Strength


def near_copies_of_others(
    services: Services, cache: PreviewCache, session: Session, verified: VerifiedStatement, upload: Upload
) -> list[str]:
    """Records of other publishers that show the same picture and are not declared as its source.

    An original and a fake that was made from it show different things: neither disputes the other.
    """
    declared = {
        target.removeprefix(URN_PREFIX)
        for target in (*verified.statement.derived_from, *verified.statement.identity_from)
    }
    disputed = []
    if upload.video is not None:
        return [
            one.candidate.record.id
            for one in find_in_video(services, cache, session, upload)
            if one.candidate.record.publisher_id != verified.publisher_id
            and one.candidate.record.id not in declared
            and one.judgement.strength is not Strength.WEAK
            and not has_another_face(one.operations)
        ]
    for candidate in find_candidates(services, cache, session, upload):
        if candidate.record.publisher_id == verified.publisher_id or candidate.record.id in declared:
            continue
        judgement = judge(candidate.measured, services.thresholds)
        if judgement is None or judgement.strength is Strength.WEAK:
            continue
        derivation = derivation_of(services, upload, candidate)
        if derivation is None or not has_another_face(derivation.operations):
            disputed.append(candidate.record.id)
    return disputed
