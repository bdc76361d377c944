"""The statement of reasons in plain words, for whoever uploaded: what happened, why, and how to dispute it.

It reads the decision and the pack, and nothing else; what the evidence says is `evidence_in_words`. It
accuses nobody, shows no picture, and names no person of the platform. What the platform wrote in its own
words (evidence of answers, reasons of a review) is not repeated: it is in one language, and may name
somebody.
"""

from collections.abc import Iterator
from datetime import date

from registry.gate.evidence_in_words import (
    number_of,
    what_could_not_be_told,
    what_matched,
    what_was_changed,
)
from registry.gate.languages import ENGLISH, EXCEPTION_WORDS, N_, Voice
from registry.gate.pack_schema import OTHERWISE
from registry.gate.packs import Pack
from sdk.models import AccountAction, AppliedRule, Decision, DecisionState, Outcome, Question, YesNo
from sdk.models.gate import MACHINES

OUT_OF_TIME = "deadline"  # codes of failures
UNREADABLE = frozenset({"media_too_large", "unsupported_media", "undecodable_media", "decoder_gave_up"})

OUTCOME_SENTENCES = {
    Outcome.ALLOW: N_("Your upload is published as usual."),
    Outcome.LABEL: N_("Your upload is published with a label."),
    Outcome.DEMOTE: N_("Your upload is published, but it is shown less and recommended to nobody."),
    Outcome.AGE_GATE: N_("Your upload is published, but it is shown to adults only."),
    Outcome.HOLD: N_("Your upload is not published for now."),
    Outcome.REFUSE: N_("Your upload is not published."),
}
ACCOUNT_SENTENCES = {
    AccountAction.WARN: N_("Your account gets a warning."),
    AccountAction.SUSPEND: N_("Your account is suspended."),
    AccountAction.TERMINATE: N_("Your account is closed."),
}
LATE_SENTENCES = {
    Outcome.ALLOW: N_("The check took longer than planned, and your upload was published until now."),
    Outcome.HOLD: N_("The check took longer than planned, and your upload was held back until now."),
    Outcome.REFUSE: N_("The check took longer than planned, and your upload was refused until now."),
}
QUESTIONS = {
    Question.ALTERED: N_("Is the upload significantly altered, or made up?"),
    Question.DECEPTIVE: N_("Is the upload shared in a deceptive manner?"),
    Question.HARM: N_("Is the upload likely to cause serious harm?"),
}
PLATFORM = "platform"  # whoever answers and is none of the others
ANSWERS = {
    (YesNo.YES, "comparison"): N_("Yes: the comparison shows that."),
    (YesNo.YES, "registry"): N_("Yes: that follows from what is registered."),
    (YesNo.YES, "policy"): N_("Yes: that follows from the policy."),
    (YesNo.YES, PLATFORM): N_("Yes: that is what the platform says."),
    (YesNo.NO, "comparison"): N_("No: compared with what is registered, nothing significant differs."),
    (YesNo.NO, "registry"): N_("No: that follows from what is registered."),
    (YesNo.NO, "policy"): N_("No: that follows from the policy."),
    (YesNo.NO, PLATFORM): N_("No: that is what the platform says."),
}
UNKNOWN_ANSWER = N_("Nobody has answered that.")


def paragraphs_of(
    decision: Decision, pack: Pack | None, language: str, dispute_until: date
) -> tuple[str, tuple[str, ...]]:
    """The language that it is said in, and the paragraphs. `pack`: that of the decision's rule."""
    voice = Voice(language)
    parts = (
        _what_happened(voice, decision),
        _what_failed(voice, decision),
        _which_rule(voice, decision, pack, language),
        *_where_to_read_it(voice, decision, pack),
        what_matched(voice, decision),
        what_was_changed(voice, decision),
        what_could_not_be_told(voice, decision),
        _the_three_answers(voice, decision, pack),
        _what_the_platform_says(voice, decision),
        _who_decided(voice, decision),
        _how_to_dispute(voice, decision, dispute_until),
    )
    paragraphs = (" ".join(sentences) for sentences in parts)
    return voice.language, tuple(paragraph for paragraph in paragraphs if paragraph)


def _what_happened(voice: Voice, decision: Decision) -> Iterator[str]:
    if decision.dry_run:
        yield voice.say("This is a test of the policy, and nothing happens to your upload.")
        yield voice.say("Without the test, you would read the following.")
    if decision.state is DecisionState.LATE:
        yield voice.say(LATE_SENTENCES.get(decision.on_failure, LATE_SENTENCES[Outcome.HOLD]))
        yield voice.say("Now it has been checked, and this is the decision.")
    if decision.outcome is Outcome.LABEL and decision.label is not None:
        yield voice.say("Your upload is published with the label “%(label)s”.", label=decision.label.text)
    else:
        yield voice.say(OUTCOME_SENTENCES[decision.outcome])
        if decision.outcome in (Outcome.DEMOTE, Outcome.AGE_GATE) and decision.label is not None:
            yield voice.say("It carries the label “%(label)s”.", label=decision.label.text)
    yield from _what_it_waits_for(voice, decision)
    if decision.state is DecisionState.REVIEWED:
        yield from _what_a_person_found(voice, decision)
    if decision.account_action is not None:
        yield voice.say(ACCOUNT_SENTENCES[decision.account_action])


def _what_a_person_found(voice: Voice, decision: Decision) -> Iterator[str]:
    yield voice.say("A person on the platform looked at it and decided this.")
    if decision.review is not None and decision.review.confirmed:
        yield voice.say("That person found that it breaks the policy.")
    elif decision.review is not None and decision.outcome is Outcome.ALLOW:  # else nobody said so
        yield voice.say("That person found that it does not break the policy.")


def _what_it_waits_for(voice: Voice, decision: Decision) -> Iterator[str]:
    if decision.state is DecisionState.WAITING:
        yield voice.say("The video is still being checked. After that, it is decided what happens to it.")
    elif decision.outcome is Outcome.HOLD:
        if decision.state is DecisionState.FAILED:
            yield voice.say("It stays so until it has been checked or a person has looked at it.")
        elif decision.state is not DecisionState.REVIEWED:
            yield voice.say("A person will look at it.")


def _what_failed(voice: Voice, decision: Decision) -> Iterator[str]:
    if decision.state is not DecisionState.FAILED:
        return
    code = decision.failure.code if decision.failure is not None else ""
    if code == OUT_OF_TIME:
        yield voice.say("It could not be checked, because there was not enough time.")
    elif code in UNREADABLE:
        yield voice.say("It could not be checked, because the file could not be read.")
    else:
        yield voice.say("It could not be checked, because something went wrong in the check itself.")
    yield voice.say("This is what the platform provides for such cases. It is no accusation.")


def _which_rule(voice: Voice, decision: Decision, pack: Pack | None, tag: str) -> Iterator[str]:
    applied = decision.rule
    if applied is None:
        return
    names = {
        "rule": applied.rule,
        "policy": pack.document.title if pack else applied.pack,
        "version": applied.version,
    }
    if applied.rule == OTHERWISE and decision.state is DecisionState.REVIEWED:
        yield voice.say(
            "Before that person looked at it, no single rule of the policy “%(policy)s”, version "
            "%(version)s, had applied, but what it provides for everything else.",
            **names,
        )
    elif applied.rule == OTHERWISE:
        yield voice.say(
            "No single rule of the policy “%(policy)s”, version %(version)s, is about your upload, so "
            "what applies is what the policy provides for everything else.",
            **names,
        )
    elif decision.state is DecisionState.REVIEWED:
        yield voice.say(
            "Before that person looked at it, the rule “%(rule)s” of the policy “%(policy)s”, "
            "version %(version)s, had been applied.",
            **names,
        )
    else:
        yield voice.say(
            "The rule “%(rule)s” of the policy “%(policy)s”, version %(version)s, was applied.", **names
        )
    why, is_translated = _why(applied, pack, voice, tag)
    if is_translated:
        yield voice.say("The reason given: %(why)s", why=why)
    else:
        yield voice.say("The reason given, in English: %(why)s", why=why)
    yield from _what_counts_of_the_account(voice, decision, pack)


def _why(applied: AppliedRule, pack: Pack | None, voice: Voice, tag: str) -> tuple[str, bool]:
    """The sentence of the rule, and whether it is in the language of the statement."""
    rule = pack.rule_named(applied.rule) if pack is not None else None
    if voice.language == ENGLISH or rule is None:
        return applied.why, voice.language == ENGLISH
    why = rule.why_in.get(tag) or rule.why_in.get(voice.language)
    return why or applied.why, why is not None


def _what_counts_of_the_account(voice: Voice, decision: Decision, pack: Pack | None) -> Iterator[str]:
    """What was decided of the account's other uploads, where the rule asks that."""
    read = _facts_read(decision.rule, pack)
    confirmed = number_of(decision, "uploader.confirmed_violations")
    if confirmed and "uploader.confirmed_violations" in read:
        yield voice.say_number(
            "It counts that a person found %(number)d earlier upload of your account to break the policy.",
            "It counts that a person found %(number)d earlier uploads of your account to break the policy.",
            confirmed,
        )
    refused = number_of(decision, "uploader.refused")
    if refused and "uploader.refused" in read:
        yield voice.say_number(
            "It counts that %(number)d upload of your account was refused in the last 90 days.",
            "It counts that %(number)d uploads of your account were refused in the last 90 days.",
            refused,
        )


def _facts_read(applied: AppliedRule | None, pack: Pack | None) -> tuple[str, ...]:
    if applied is None or pack is None:
        return ()
    rules = (one for one in pack.rules if one.rule.id == applied.rule)
    return tuple(fact for one in rules for fact in one.condition.facts)


def _where_to_read_it(voice: Voice, decision: Decision, pack: Pack | None) -> Iterator[Iterator[str]]:
    """Paragraphs of their own, so that nothing comes after an address."""
    if decision.rule is not None:
        page = decision.rule.page
        yield iter([voice.say("You can read the rule here: %(address)s", address=page)])
        if pack is not None and pack.document.reference is not None:
            page = pack.document.reference
            yield iter([voice.say("The platform publishes its policy here: %(address)s", address=page)])


def _the_three_answers(voice: Voice, decision: Decision, pack: Pack | None) -> Iterator[str]:
    """Those that were given, and those that the policy asks for."""
    answers = {one.question: (one.answer, one.by) for one in decision.answers}
    if decision.review is not None:
        answers |= {question: (answer, PLATFORM) for question, answer in decision.review.answers.items()}
    asked = pack.facts if pack is not None else ()  # names of facts
    told = {
        question: answers[question]
        for question in Question
        if question in answers
        and (answers[question][0] is not YesNo.UNKNOWN or f"answers.{question.value}" in asked)
    }
    if all(answer is YesNo.UNKNOWN for answer, _ in told.values()) and decision.outcome is Outcome.ALLOW:
        return
    if told:
        yield voice.say("The platform asks these questions.")
    for question, (answer, by) in told.items():
        yield voice.say(QUESTIONS[question])
        source = by if (answer, by) in ANSWERS else PLATFORM
        yield voice.say(ANSWERS.get((answer, source), UNKNOWN_ANSWER))


def _what_the_platform_says(voice: Voice, decision: Decision) -> Iterator[str]:
    kinds = list(dict.fromkeys(one.kind for one in decision.exceptions))
    if kinds:
        words = [voice.say(EXCEPTION_WORDS[kind]) for kind in kinds]
        yield voice.say("The platform claims an exception for it: %(kinds)s.", kinds=voice.listed(words))


def _who_decided(voice: Voice, decision: Decision) -> Iterator[str]:
    said_by_platform = bool(decision.exceptions) or any(
        one.answer is not YesNo.UNKNOWN and one.by not in MACHINES for one in decision.answers
    )
    if decision.state is DecisionState.REVIEWED:
        return  # it was said with what happened
    if said_by_platform:
        yield voice.say(
            "This was decided automatically, but it rests on what the platform says about the upload; "
            "a person may have said that."
        )
    elif decision.outcome is Outcome.HOLD:
        yield voice.say("So far this is fully automatic; no person has been involved.")
    else:
        yield voice.say("This was decided fully automatically; no person was involved.")


def _how_to_dispute(voice: Voice, decision: Decision, until: date) -> Iterator[str]:
    yield voice.say(
        "If you think that this is wrong, you can dispute it until %(date)s, here: %(address)s",
        date=voice.day(until),
        address=decision.links.dispute,
    )
