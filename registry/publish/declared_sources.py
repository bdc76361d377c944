"""What publishers declare their pictures to come from, and what the comparison says of it.

A disagreement refuses nothing and hides nothing: it stands beside the declaration.
"""

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, or_, select

from registry.match.matched import MatchedRecord
from registry.media.uploads import Upload
from registry.publish.corroboration import speaks_for_fake
from registry.records.reading import URN_PREFIX
from registry.records.statements import VerifiedStatement
from registry.storage.models import DeclaredSource, Record
from registry.storage.models.records import ACTIVE
from sdk.models import MatchRelation, SourceAgreement
from sdk.records import Relation

DIGEST_PREFIX = "urn:sha256:"


def declared_ids(verified: VerifiedStatement) -> set[str]:
    """Ids of every record that a statement names as a source of the picture or of a face."""
    statement = verified.statement
    return {
        target.removeprefix(URN_PREFIX) for target in (*statement.derived_from, *statement.identity_from)
    }


def comparable_sources(session: Session, verified: VerifiedStatement, upload: Upload) -> Sequence[Record]:
    """Registered pictures that the upload is declared to come from and that it can be compared with."""
    if upload.image is None and upload.video is None:
        return []
    targets = [target.removeprefix(URN_PREFIX) for target in verified.statement.derived_from]
    if not targets:
        return []
    return session.exec(
        select(Record).where(
            col(Record.id).in_(targets), Record.status == ACTIVE, col(Record.preview_key).is_not(None)
        )
    ).all()


def declared_sources(
    verified: VerifiedStatement, compared: Iterable[Record], matches: Sequence[MatchedRecord]
) -> list[DeclaredSource]:
    """Rows for every declaration of a statement, with what the comparison found where it was made."""
    statement = verified.statement
    declared = [(Relation.DERIVED_FROM, target) for target in statement.derived_from]
    declared += [(Relation.IDENTITY_FROM, target) for target in statement.identity_from]
    ids, by_id = {record.id for record in compared}, {match.record.id: match for match in matches}
    rows = []
    for relation, target in dict.fromkeys(declared):
        name = target.removeprefix(URN_PREFIX)
        is_compared = relation is Relation.DERIVED_FROM and name in ids
        agreement = _agreement(by_id.get(name)) if is_compared else SourceAgreement.NOT_COMPARED
        confirmed = agreement is SourceAgreement.CONFIRMED
        rows.append(
            DeclaredSource(
                record_id=verified.record_id,
                relation=relation.value,
                target=name,
                agreement=agreement.value,
                operations=_operations(by_id[name]) if confirmed else [],
                speaks_for_fake=confirmed and speaks_for_fake(by_id[name], verified, matches),
            )
        )
    return rows


def is_made_from_an_intimate_record(session: Session, sources: Iterable[DeclaredSource]) -> bool:
    """Whether it may show an intimate picture: a declared source is one, and nothing denies that."""
    targets = [
        source.target for source in sources if source.agreement != SourceAgreement.NOT_CONFIRMED.value
    ]
    digests = [target.removeprefix(DIGEST_PREFIX) for target in targets if target.startswith(DIGEST_PREFIX)]
    named = or_(col(Record.id).in_(targets), col(Record.digest_sha256).in_(digests))
    query = select(Record.id).where(named, col(Record.intimate))
    return bool(targets) and session.exec(query.limit(1)).first() is not None


def _agreement(match: MatchedRecord | None) -> SourceAgreement:
    if match is None or match.assessment.relation is MatchRelation.POSSIBLY_RELATED:
        return SourceAgreement.NOT_CONFIRMED
    return SourceAgreement.CONFIRMED


def _operations(match: MatchedRecord) -> list[str]:
    return list(dict.fromkeys(operation.type.value for operation in match.operations))
