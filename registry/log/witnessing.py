"""Has the newest checkpoint cosigned before it is published, and stops what has forked.

Whoever needs an entry covered joins the next round. One round runs at a time in this process, and asks for
the newest head, so that it serves all who joined before it began. Neither a transaction nor the log's lock
is held meanwhile. Between requests the newest checkpoint is sent again now and then: its cosignatures stay
fresh, and what a killed process left behind is made up for.
"""

import logging
import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from registry.errors import NotCosigned, RegistryError, SigningStopped
from registry.log.transparency_log import Log
from registry.log.witness_client import Answer, Contradicted
from registry.log.witness_file import require_this_log
from registry.log.witness_rounds import AskedWitness, Overtaken, WitnessRounds
from registry.log.witnessed_checkpoints import (
    Head,
    committed_head,
    forget_unless_met,
    keep,
    newest_witnessed,
    require_no_witnesses,
    require_witnessed_sound,
    stop_signing,
)
from registry.storage.db import transaction
from registry.storage.models.columns import now
from sdk.cosignature import Cosignature
from sdk.witness_policy import NamedWitness, WitnessPolicy

LOOK_EVERY_S = 5.0
HEADS_TRIED = 3  # of one round: another process may have sent a newer one
STOPPED_WITHIN_S = 5.0
WHAT_TO_DO = "Nothing is appended until `trueprint resume-signing`; docs/witnesses.md says what to do first"
FORKED = "a witness knows another log than this one: its operator has to look"
STORED = "what was sent is stored; too few witnesses cosigned it in time: send the same again"
WEAK = (
    "two sets of witnesses that share none can each meet the quorum of the policy, and so cosign two "
    "trees: want more than half of them"
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Witnesses:
    """Who is asked, and how patiently."""

    policy: WitnessPolicy
    timeout_s: float
    every_s: float  # the newest checkpoint is cosigned anew after this


class Witnessing:
    """The witnesses of one log, in one process; with None it does nothing."""

    def __init__(self, engine: Engine, log: Log, witnesses: Witnesses | None) -> None:
        self._engine, self._log, self._witnesses = engine, log, witnesses
        self._lock = threading.Lock()  # of the two below
        self._next: Future[None] | None = None  # the round that may still be joined
        self._unmarked: str | None = None  # why the log is stopped, where the database does not know it yet
        self._turn = threading.Lock()  # one round at a time
        self._stopped: str | None = None  # what the mark in the database says; set when it is looked at
        self._short: str | None = None  # why the last round was not enough
        self._said: str | None = None  # what was logged of that last
        self._ending = threading.Event()
        self._beat = threading.Thread(target=self._look_again, name="cosigning", daemon=True)
        self.weakness: str | None = None  # of the policy, for the operator
        if witnesses is not None:
            self.weakness = WEAK if witnesses.policy.can_split() else None
            self._rounds = WitnessRounds(
                engine, witnesses.policy, witnesses.timeout_s, self._is_contradicted
            )

    def start(self) -> None:
        """Asks all witnesses, before anything is signed. Raises LogRolledBack, BadWitnesses.

        Where too few answer, or one knows another log, the registry runs and appends nothing. Without a
        policy a log that was witnessed is refused: a file that is missing gives no witnesses up.
        """
        if self._witnesses is None:
            with transaction(self._engine) as session:
                require_no_witnesses(session)
            return
        require_this_log(self._witnesses.policy, [period.key for period in self._log.keys.periods])
        with transaction(self._engine) as session:
            require_witnessed_sound(session, self._log)
            forget_unless_met(session, self._witnesses.policy)
        self._rounds.start()
        self.look()
        self._beat.start()

    def stop(self) -> None:
        """Stops asking."""
        if self._witnesses is None:
            return
        self._ending.set()
        self._rounds.stop()
        self._beat.join(STOPPED_WITHIN_S)

    def require(self, size: int) -> None:
        """Returns once a checkpoint over at least `size` entries is published.

        Call it outside of any transaction. Raises NotCosigned or SigningStopped.
        """
        if self._witnesses is None or self._covers(size):
            return
        try:
            self._join(everyone=False)
        except NotCosigned:
            if not self._covers(size):  # another process may have been faster
                raise

    def cosign(self) -> None:
        """As `require` for all that is committed, but raises nothing: what is missing is made up for."""
        if self._witnesses is None:
            return
        try:
            self._join(everyone=False)
        except (RegistryError, SQLAlchemyError) as error:
            self._say(error)

    def require_cosigned(self, head: Head) -> None:
        """Returns where enough witnesses cosign this head; nothing is kept of it.

        Raises NotCosigned, which says which do not and why, or SigningStopped.
        """
        if self._witnesses is None:
            return
        answers = self._asked(head, everyone=True)
        cosigned = [answer.key for answer in answers if isinstance(answer, Cosignature)]
        if not self._witnesses.policy.is_met(cosigned):
            raise NotCosigned(self._in_short(len(cosigned)))

    def look(self) -> None:
        """Looks whether something is to be cosigned, or was stopped or resumed; raises nothing."""
        assert self._witnesses is not None
        try:
            self._write_mark()
            with transaction(self._engine) as session:
                head, row = committed_head(session), newest_witnessed(session)
            self._require_running(head)
            stale = now() - timedelta(seconds=self._witnesses.every_s)
            if not self._log.confirmed or row is None or row.size < head.size or row.cosigned_at < stale:
                self._join(everyone=True)
            else:
                self._short = None  # another process had it cosigned
        except (RegistryError, SQLAlchemyError) as error:
            self._say(error)

    def _say(self, error: Exception) -> None:
        """A line for the operator, once for as long as it is the same: who waits looks again and again."""
        why = self.fault or (str(error) if isinstance(error, RegistryError) else type(error).__name__)
        if why != self._said:
            logger.warning("not cosigned now: %s", why)
        self._said = why

    @property
    def fault(self) -> str | None:
        """Why nothing is registered now, for the operator; None: it is."""
        with self._lock:
            unmarked = self._unmarked
        return unmarked or self._stopped or self._short

    @property
    def asked(self) -> tuple[AskedWitness, ...]:
        """The witnesses, and what each answered last."""
        return () if self._witnesses is None else self._rounds.asked

    def _covers(self, size: int) -> bool:
        with transaction(self._engine) as session:
            row = newest_witnessed(session)
        return row is not None and row.size >= size

    def _join(self, *, everyone: bool) -> None:
        """Takes part in the next round, and runs it where nobody else does. Raises what it raises."""
        with self._lock:
            joined = self._next
            if joined is None:
                begun = self._next = Future()
        if joined is None:
            self._run(begun, everyone=everyone)
            joined = begun
        try:
            joined.result()
        except RegistryError as error:
            raise type(error)(str(error)) from None  # each who joined has an error of its own

    def _run(self, begun: "Future[None]", *, everyone: bool) -> None:
        try:
            with self._turn:
                with self._lock:
                    self._next = None  # who comes now may have committed more than this round sees
                self._round(everyone=everyone)
        except BaseException as error:
            begun.set_exception(error)
        else:
            begun.set_result(None)

    def _round(self, *, everyone: bool) -> None:
        assert self._witnesses is not None
        for _ in range(HEADS_TRIED):
            with transaction(self._engine) as session:
                head = committed_head(session)
            self._require_running(head)
            answers = self._asked(head, everyone=everyone)
            cosigned = [answer for answer in answers if isinstance(answer, Cosignature)]
            if self._witnesses.policy.is_met([cosignature.key for cosignature in cosigned]):
                self._publish(head, cosigned)
                return
            if not any(isinstance(answer, Overtaken) for answer in answers):
                break
        self._short = self._in_short(len(cosigned))
        silent = ", ".join(asked.witness.key.name for asked in self.asked if asked.said)
        raise NotCosigned(f"{STORED} (without an answer that counts: {silent})")

    def _asked(self, head: Head, *, everyone: bool) -> list[Answer | Overtaken]:
        """What the witnesses answer. Raises NotCosigned, SigningStopped."""
        try:
            answers = self._rounds.ask_all(head, everyone=everyone)
        except (TimeoutError, CancelledError, RuntimeError) as error:  # it is slow, or being stopped
            raise NotCosigned(STORED) from error
        if any(isinstance(answer, Contradicted) for answer in answers):
            raise SigningStopped(FORKED)
        return answers

    def _publish(self, head: Head, cosigned: list[Cosignature]) -> None:
        assert self._witnesses is not None
        keys = [witness.key for witness in self._witnesses.policy.witnesses]
        with transaction(self._engine) as session:
            self._require_running(committed_head(session))  # one that answered later may contradict
            keep(session, head, cosigned, keys)
        self._short = self._said = None
        with self._lock:
            self._log.confirmed = self._unmarked is None

    def _in_short(self, cosigned: int) -> str:
        assert self._witnesses is not None
        reasons = [f"{asked.witness.name}: {asked.said}" for asked in self.asked if asked.said]
        wanted = self._witnesses.policy.in_words()
        return f"{cosigned} witnesses cosigned the newest checkpoint, {wanted} wanted; {'; '.join(reasons)}"

    def _require_running(self, head: Head) -> None:
        self._stopped = head.stopped
        if head.stopped is not None:
            # Once the mark is removed, the witnesses are asked again before anything is signed.
            self._log.confirmed = False
            raise SigningStopped(FORKED)

    def _is_contradicted(self, witness: NamedWitness, why: str) -> None:
        said = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, witness {witness.name} ({witness.key.name}): {why}"
        logger.critical("the log is stopped: %s", said)
        with self._lock:
            self._unmarked = f"the log is stopped. {said}. {WHAT_TO_DO}"
            self._log.confirmed = False
        try:
            self._write_mark()
        except SQLAlchemyError:
            logger.exception("the mark is written when the database is back")

    def _write_mark(self) -> None:
        with self._lock:
            why = self._unmarked
        if why is None:
            return
        with transaction(self._engine) as session:
            stop_signing(session, why)
        with self._lock:
            self._unmarked = None
        self._stopped = why

    def _look_again(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            self.look()
