"""What publishers declare their pictures to come from, and what the comparison says of it.

A disagreement refuses nothing and hides nothing: it stands beside the declaration.
"""

from dataclasses import dataclass

from sqlmodel import Session

from registry.match.evidence_rules import Measured, judge
from registry.match.explanation import derivation_of, operations_of
from registry.match.retrieval import Candidate
from registry.match.verification import compare_candidate
from registry.match.video.matching import find_in_video
from registry.media.previews import PreviewCache
from registry.media.uploads import Upload
from registry.records.reading import URN_PREFIX
from registry.records.statements import VerifiedStatement
from registry.services import Services
from registry.storage.models import DeclaredSource, Record
from registry.storage.models.records import ACTIVE
from sdk.models import MatchRelation, SourceAgreement
from sdk.records import Relation


@dataclass(frozen=True)
class Agreement:
    """What was found between a picture and the one that it is declared to come from."""

    word: SourceAgreement
    operations: tuple[str, ...] = ()


def compare_declared_sources(
    services: Services, cache: PreviewCache, session: Session, verified: VerifiedStatement, upload: Upload
) -> list[DeclaredSource]:
    """Rows for every declaration of a statement, compared where both pictures are at hand."""
    statement = verified.statement
    declared = [(Relation.DERIVED_FROM, target) for target in statement.derived_from]
    declared += [(Relation.IDENTITY_FROM, target) for target in statement.identity_from]
    declared_sources = []
    for relation, target in dict.fromkeys(declared):
        name = target.removeprefix(URN_PREFIX)
        found = Agreement(SourceAgreement.NOT_COMPARED)
        source = session.get(Record, name) if relation is Relation.DERIVED_FROM else None
        if source is not None:
            found = agreement_with(services, cache, session, upload, source)
        declared_sources.append(
            DeclaredSource(
                record_id=verified.record_id,
                relation=relation.value,
                target=name,
                agreement=found.word.value,
                operations=list(found.operations),
            )
        )
    return declared_sources


def agreement_with(
    services: Services, cache: PreviewCache, session: Session, upload: Upload, source: Record
) -> Agreement:
    """Whether the upload shows what `source` shows, and what was changed."""
    if source.status != ACTIVE or source.preview_key is None:
        return Agreement(SourceAgreement.NOT_COMPARED)
    if upload.video is not None:
        return _agreement_of_video(services, cache, session, upload, source)
    if upload.image is None:
        return Agreement(SourceAgreement.NOT_COMPARED)
    same = upload.digest_sha256 == source.digest_sha256
    candidate = Candidate(source, Measured(same_digest=same), ("declared",))
    candidate = compare_candidate(services, cache, upload, candidate, upload.features)
    judgement = judge(candidate.measured, services.thresholds)
    if judgement is None or judgement.relation is MatchRelation.POSSIBLY_RELATED:
        return Agreement(SourceAgreement.NOT_CONFIRMED)
    operations = operations_of(services, upload, candidate, derivation_of(services, upload, candidate))
    return Agreement(SourceAgreement.CONFIRMED, tuple(dict.fromkeys(one.type.value for one in operations)))


def _agreement_of_video(
    services: Services, cache: PreviewCache, session: Session, upload: Upload, source: Record
) -> Agreement:
    found = next(iter(find_in_video(services, cache, session, upload, only=source)), None)
    if found is None or found.judgement.relation is MatchRelation.POSSIBLY_RELATED:
        return Agreement(SourceAgreement.NOT_CONFIRMED)
    return Agreement(
        SourceAgreement.CONFIRMED, tuple(dict.fromkeys(one.type.value for one in found.operations))
    )
