"""What is said of one match, in plain words. Pure functions."""

from collections.abc import Iterable

from indexer.compare.layout import ContentAgreement
from indexer.operations import Direction
from registry.match.counter_evidence import is_different_capture
from registry.match.evidence_rules import agrees_by_hash_lists_only
from registry.match.facts import MatchFacts
from registry.match.matched import MatchedRecord
from registry.match.sentences import capitalised, classed, not_shown_to_be, relation_words
from registry.thresholds import Thresholds
from sdk.models import MatchRelation
from sdk.records import AssetClass

SAME_LAYOUT = "has the same layout as"  # goes before the record's name
WHICH_WAY_UNKNOWN = "Nothing shows which of the two was made from the other."
FACES_NOT_COMPARED = "Whether a face was replaced was not looked at"


def faces_uncertainty(why: str | None) -> tuple[str, ...]:
    """A sentence for `uncertain` where faces were not compared; none where they were."""
    return () if why is None else (f"{FACES_NOT_COMPARED}: {why}.",)


def other_content_in_words(content: ContentAgreement) -> str:
    """A sentence: what stands in the layout is something else, and in which part of the upload."""
    if content.region is None:
        return "Other content stands in it."
    across, down = ([corner[axis] for corner in content.region] for axis in (0, 1))
    return (
        f"Other content stands in it, between {min(down):.0%} and {max(down):.0%} of the height and "
        f"{min(across):.0%} and {max(across):.0%} of the width."
    )


def explain(matched: MatchedRecord, facts: MatchFacts, limits: Thresholds) -> str:
    """One paragraph: what the upload is to the record, where, what was done, and what is uncertain."""
    record, evidence = facts.record, matched.candidate.evidence
    who = f"{record.label!r}, registered by {record.publisher_name} on {record.registered_at:%Y-%m-%d}"
    if not record.media_seen:
        who = f"{who} by fingerprints that it sent"
    match facts.relation:
        case MatchRelation.SAME_FILE:
            return f"Byte for byte the registered file {who}."
        case MatchRelation.POSSIBLY_RELATED if matched.in_common is not None:
            more = f" {matched.where}" if matched.where else ""
            return f"{capitalised(matched.in_common)} {who}.{more}"
        case MatchRelation.POSSIBLY_RELATED if is_different_capture(evidence, limits):
            return (
                f"Has features of {who}, but what is in it differs or is in other places. It may be "
                "another shot of one scene, a re-enactment, or another picture with a part of it inside."
            )
        case MatchRelation.POSSIBLY_RELATED if agrees_by_hash_lists_only(evidence, limits):
            return (
                f"Has a hash like that of {who}. Only hashes of lists that others keep were compared, and "
                "unrelated pictures can share them: a person should look."
            )
        case MatchRelation.POSSIBLY_RELATED:
            return f"Resembles {who}, but no more than that could be confirmed."
    shows = "shows " if facts.relation is MatchRelation.SAME_PICTURE and not facts.is_fake_not_shown else ""
    if facts.record.asset_class is not AssetClass.AUTHENTIC:
        who = f"{who} {classed(facts)}"
    if facts.is_fake_not_shown and facts.compared_or_same_file:
        # What differs may have been done to the fake: it is not told as done to the upload.
        words = f"{capitalised(relation_words(facts))} {who}{not_shown_to_be(facts)}."
        return " ".join((words, *([matched.where] if matched.where else []), *matched.uncertain))
    start = f"{capitalised(shows + relation_words(facts))} {who}."
    sentences = [start, *([matched.where] if matched.where else []), *_what_was_done(matched)]
    if matched.changes_content and matched.direction is Direction.UNKNOWN:
        # "The face was replaced" is seen from the record: it may be the one in which it was.
        sentences.append(matched.direction_reason or WHICH_WAY_UNKNOWN)
    return " ".join(sentences)


def _what_was_done(matched: MatchedRecord) -> Iterable[str]:
    yield from (operation.sentence for operation in matched.operations)
    yield from matched.uncertain
    compared = matched.candidate.evidence.compared
    is_unnamed = matched.assessment.relation is MatchRelation.DERIVATIVE and not matched.operations
    if compared and is_unnamed and not matched.leaves_a_change_open:
        yield "What was changed could not be named."
    if not compared:
        if not matched.record.is_media_seen:
            yield "Only fingerprints were compared: what they were computed from was never shown here."
            return
        is_kept = matched.record.preview_key is not None
        yield f"Only fingerprints were compared{'' if is_kept else ': no picture of it is kept here'}."
