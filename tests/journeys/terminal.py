"""A terminal of 80 columns that a command runs in: its screen as a person sees it, and Ctrl-C."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

COLUMNS = 80
TRUEPRINT = Path(sys.executable).with_name("trueprint")
SEQUENCE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07")


class Screen:
    """Rows of characters, moved over by the escape sequences that progress bars use."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        """Takes what a program printed."""
        while text:
            sequence = SEQUENCE.match(text)
            if sequence:
                self._steer(sequence[1] or "", sequence[2] or "")
                text = text[sequence.end() :]
            else:
                self._put(text[0])
                text = text[1:]

    def _steer(self, arguments: str, command: str) -> None:
        count = int(arguments or 1) if arguments.isdigit() or not arguments else 1
        if command == "A":
            self.row = max(0, self.row - count)
        elif command == "K":
            del self.rows[self.row][0 if arguments == "2" else self.column :]

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n" or self.column >= COLUMNS:
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.rows):
                self.rows.append([])
        if character not in "\r\n":
            row = self.rows[self.row]
            row.extend(" " * (self.column + 1 - len(row)))
            row[self.column] = character
            self.column += 1

    def lines(self) -> list[str]:
        """The rows without what is blank behind them."""
        return ["".join(row).rstrip() for row in self.rows]


class Terminal:
    """A command that runs in a pseudo-terminal, with its standard output elsewhere if that is wanted."""

    def __init__(self, arguments: Sequence[object], stdout: int | None = None) -> None:
        self._here, there = pty.openpty()
        environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "24", "TERM": "xterm"}
        environment.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [TRUEPRINT, *map(str, arguments)],
            stdin=there,
            stdout=there if stdout is None else stdout,
            stderr=there,
            env=environment,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(there)
        self.said = ""

    def read(self, until: Callable[[str], bool] = lambda _: False, within_s: float = 120.0) -> None:
        """Reads until something was said, or the command has ended."""
        deadline = time.monotonic() + within_s
        while not until(self.said):
            assert time.monotonic() < deadline, self.said
            if not select.select([self._here], [], [], 0.1)[0]:
                continue
            try:
                self.said += os.read(self._here, 4096).decode()
            except OSError:  # the other side is closed
                break

    def press_ctrl_c(self) -> None:
        """As a person does: the terminal sends SIGINT to every process in the foreground."""
        os.write(self._here, b"\x03")

    def end(self) -> int:
        """Reads to the end; returns the exit code."""
        self.read()
        os.close(self._here)
        return self.process.wait(60)

    def screen(self) -> list[str]:
        """What stands on the screen."""
        shown = Screen()
        shown.write(self.said)
        return shown.lines()


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
