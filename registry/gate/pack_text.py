"""Reads the YAML of a policy pack, bounded, and remembers which line says what.

YAML is read as its version 1.2 has it: `yes` is a word. Anchors are refused, because an alias of an alias
of an alias fills any memory; so are fields that are given twice.
"""

import re
from collections.abc import Sequence
from typing import Any

import yaml

MAXIMUM_BYTES = 256 * 1024
MAXIMUM_DEPTH = 12
_WORD = re.compile(r"[\w.]+")


class BadPackText(ValueError):
    """The text is no YAML that is read here."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]  # the library has no types
    """Words, numbers, true, false and null, and nothing else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # as the library has it


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(0|[1-9]\d{0,14})$"), list("-0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^-?(0|[1-9]\d{0,14})\.\d{1,15}$"), list("-0123456789")
)


class PackText:
    """What a pack's text says, as plain values, and where."""

    def __init__(self, text: bytes) -> None:
        """Raises BadPackText."""
        if len(text) > MAXIMUM_BYTES:
            raise BadPackText(1, f"the pack has {len(text)} bytes; {MAXIMUM_BYTES} are allowed")
        try:
            decoded = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadPackText(1, "the pack is no UTF-8") from error
        self._text = decoded
        self._root = _parsed(decoded)
        self.value: Any = _value_of(self._root)

    def line_at(self, path: Sequence[str | int]) -> int:
        """The line, from 1, of what lies at a path, or of the nearest thing above it that is there."""
        node, line = self._root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node = found
            line = node.start_mark.line + 1
        return line

    def line_in(self, path: Sequence[str | int], at: int, text: str) -> int:
        """The line of the character `at` of a text; of one over several lines that of its word.

        Folding and escapes move characters, so that it is the same word in the source that is looked for.
        """
        node: yaml.Node | None = self._root
        for step in path:
            node = node and _child(node, step)
        if node is None:
            return self.line_at(path)
        found = _WORD.match(text, at)
        word = found.group() if found else text[at : at + 1]
        source = self._text[node.start_mark.index : node.end_mark.index]
        place = -1
        for _ in range(text.count(word, 0, at) + 1 if word else 0):
            place = source.find(word, place + 1)
        return int(node.start_mark.line) + 1 + source.count("\n", 0, max(0, place))


def _parsed(text: str) -> yaml.Node:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise BadPackText(event.start_mark.line + 1, "anchors and aliases are not read")
            if getattr(event, "tag", None):
                raise BadPackText(event.start_mark.line + 1, "tags are not read")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAXIMUM_DEPTH:
                raise BadPackText(event.start_mark.line + 1, f"more than {MAXIMUM_DEPTH} levels")
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadPackText(mark.line + 1 if mark else 1, str(error.problem or error.context)) from None
    except yaml.YAMLError as error:
        raise BadPackText(1, f"the text cannot be read: {error}"[:200]) from None
    if not isinstance(node, yaml.MappingNode):
        raise BadPackText(1, "a pack is a mapping: `pack:`, `version:`, `rules:` ...")
    return node


def _value_of(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadPackText(key.start_mark.line + 1, "a field has a plain name")
            if key.value in mapping:
                raise BadPackText(key.start_mark.line + 1, f"{key.value!r} is given twice")
            mapping[key.value] = _value_of(value)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value_of(one) for one in node.value]
    return _scalar(node)


def _scalar(node: yaml.ScalarNode) -> str | bool | int | float | None:
    kind = node.tag.rsplit(":", 1)[-1]
    text: str = node.value
    if kind == "bool":
        return text == "true"
    if kind == "null":
        return None
    if kind == "int":
        return int(text)
    return float(text) if kind == "float" else text


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    return None
