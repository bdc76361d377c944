"""What the page of a decision says around the statement of reasons, in the statement's language.

It knows sentences and nothing of HTML. The catalogues are those of the statement.
"""

from registry.gate.languages import Voice
from sdk.models import Decision


def page_words(decision: Decision, language: str, platform: str) -> dict[str, str]:
    """The sentences of the page, by what they are for; `platform`: the organisation's name."""
    voice = Voice(language)
    until = "" if decision.statement is None else voice.day(decision.statement.dispute_until)
    return {
        "title": voice.say("A decision about an upload"),
        "wrong": voice.say("If you think that this is wrong"),
        "write": voice.say(
            "Write to %(platform)s, which made this decision under its own policy, and name the decision:",
            platform=platform,
        ),
        "dispute": voice.say("Dispute it at %(platform)s", platform=platform),
        "until": voice.say(
            "You can do so until %(date)s. Trueprint compared your upload with registered media; it "
            "decided nothing by itself.",
            date=until,
        ),
        "recorded": voice.say("What was recorded"),
        "decided": voice.say("Decided"),
        "test": voice.say("as a test"),
        "rule": voice.say("Rule"),
        "upload": voice.say("Upload"),
        "signed": voice.say("Signed"),
        "by": voice.say("by this registry, as one link of the platform's chain of decisions"),
        "kept": voice.say("Your upload is not kept here, and no picture is shown on this page."),
    }
