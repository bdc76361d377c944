"""A Discord bot that asks Trueprint's gate about every picture and video: docs/middleware.md says how.

What to do (`moderate`) knows nothing of Discord; the rest hands it files, and does what it says.
"""

import asyncio
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sdk import AsyncClient, SdkError
from sdk.errors import ProblemError
from sdk.models import Audience, Decision, GateContext, Outcome

PATIENCE_S = 300.0  # for one file; nothing waits for it but the bot
MOST_BYTES = 50 << 20
MEDIA = ("image/", "video/")
_at_a_time = asyncio.Semaphore(4)  # files in memory


class Verb(StrEnum):
    """What happens to a message; the mildest first."""

    KEEP = "keep"
    LABEL = "label"  # a reply says what was changed
    REPORT = "report"  # it stays, and moderators look
    DELETE = "delete"


# A message cannot be held back, shown less or put behind an age: for these a person looks.
VERBS = {
    Outcome.ALLOW: Verb.KEEP,
    Outcome.LABEL: Verb.LABEL,
    Outcome.DEMOTE: Verb.LABEL,
    Outcome.AGE_GATE: Verb.REPORT,
    Outcome.HOLD: Verb.REPORT,
    Outcome.REFUSE: Verb.DELETE,
}
ORDER = list(Verb)


@dataclass(frozen=True)
class Action:
    """What to do about one file, and what to say of it."""

    verb: Verb
    for_readers: str = ""  # the label
    for_author: str = ""
    for_moderators: str = ""


async def moderate(
    content: bytes,
    *,
    content_ref: str,
    author: str,
    text: str,
    client: AsyncClient,
    language: str = "en",
    on_failure: Verb = Verb.REPORT,
) -> Action:
    """Asks the gate about one file; where there is no decision, it is `on_failure`."""
    context = GateContext(
        content_ref=content_ref,
        uploader_ref=author,  # the registry keeps a digest
        text=text,
        audience=Audience.LIMITED,
        language=language,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            decision = await client.gate(content, context, idempotency_key=content_ref, wait=True)
    except TimeoutError:
        return Action(on_failure, for_moderators="no decision: the registry took too long")
    except ProblemError as error:
        return Action(on_failure, for_moderators=f"no decision: the registry answered {error.code}")
    except SdkError:
        return Action(on_failure, for_moderators="no decision: the registry does not answer")
    return action_of(decision, on_failure)


def action_of(decision: Decision, on_failure: Verb) -> Action:
    """What a decision means in a chat where the message is there already."""
    if decision.failure is not None:
        return Action(on_failure, for_moderators=f"no decision: {decision.failure.code}")
    why = decision.rule.why if decision.rule else "one of your people decided"
    verb = VERBS[decision.outcome]
    if verb is Verb.LABEL and decision.label is None:  # the policy has no words for readers
        verb = Verb.REPORT
    return Action(
        verb,
        for_readers=decision.label.text if decision.label else "",
        for_author=f"{why}\nMore, and how to dispute it: {decision.links.explain}",
        for_moderators=f"{decision.outcome}: {why} {decision.links.explain}",
    )


async def on_message(message: Any, client: AsyncClient, moderators: Any) -> Action:
    """Does about a message (`discord.Message`) what is decided of its files; returns the gravest action.

    `moderators`: the channel (`discord.TextChannel`) of whoever moderates.
    """
    action = Action(Verb.KEEP)
    for attachment in () if message.author.bot else message.attachments:
        if (attachment.content_type or "").startswith(MEDIA):
            found = await _about(attachment, message, client)
            action = max(action, found, key=lambda one: ORDER.index(one.verb))
    # Moderators first: what fails after that they know of.
    if action.verb in (Verb.REPORT, Verb.DELETE):
        await moderators.send(f"{action.verb} {message.jump_url}: {action.for_moderators}")
    if action.verb is Verb.LABEL:
        await message.reply(f"Label: {action.for_readers}", mention_author=False)
    if action.verb is Verb.DELETE:
        await message.delete()
        await message.author.send(f"Your message was deleted. {action.for_author}")
    return action


async def _about(attachment: Any, message: Any, client: AsyncClient) -> Action:
    if attachment.size > MOST_BYTES:
        return Action(Verb.REPORT, for_moderators=f"no decision: {attachment.size >> 20} MiB are too many")
    async with _at_a_time:
        return await moderate(
            await attachment.read(),
            content_ref=f"{message.id}-{attachment.id}",
            author=str(message.author.id),
            text=message.content,
            client=client,
        )


def bot(client: AsyncClient, moderators_channel: int) -> Any:
    """The bot, a `discord.Client`. Its intent "message content" must be allowed in Discord's portal."""
    import discord  # type: ignore[import-not-found, unused-ignore]  # pip install discord.py

    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
    made = discord.Client(intents=intents, allowed_mentions=discord.AllowedMentions.none())

    async def told(message: Any) -> None:
        await on_message(message, client, made.get_channel(moderators_channel))

    made.on_message = told
    return made


def main() -> None:
    """Runs the bot until it is stopped."""
    client = AsyncClient(os.environ["TRUEPRINT_URL"], os.environ["TRUEPRINT_API_KEY"])
    channel = int(os.environ["MODERATORS_CHANNEL"])
    bot(client, channel).run(os.environ["DISCORD_TOKEN"])


if __name__ == "__main__":
    main()
