"""What came of the cases of a run, by kind, as a table."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

COLUMNS = ("kind", "cases", "what came of them", "lost", "wrong")


@dataclass
class Count:
    """What came of the cases of one kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)  # acknowledged, and not there
    wrong: list[str] = field(default_factory=list)  # findings of an audit, and what should not be


class Counts:
    """All kinds of one run, in the order in which they came."""

    def __init__(self) -> None:
        self._kinds: dict[str, Count] = {}

    def add(
        self, kind: str, outcome: str, lost: Iterable[str] = (), wrong: Iterable[str] = (), times: int = 1
    ) -> None:
        """Counts one case, or `times` of them."""
        count = self._kinds.setdefault(kind, Count())
        count.outcomes[outcome] += times
        count.lost += lost
        count.wrong += wrong

    def bad(self) -> list[str]:
        """Everything that was lost or is wrong."""
        return [
            f"{kind}: {what}" for kind, count in self._kinds.items() for what in (*count.lost, *count.wrong)
        ]

    def rows(self) -> Iterator[str]:
        """The lines of a table."""
        yield f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}"
        for kind, count in self._kinds.items():
            came = ", ".join(f"{name} {number}" for name, number in count.outcomes.most_common())
            cases = count.outcomes.total()
            yield f"| {kind} | {cases} | {came} | {len(count.lost)} | {len(count.wrong)} |"
