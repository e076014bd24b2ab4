"""YAML with line numbers, read by the rules of YAML 1.2: ``1e-4`` is a number, ``no`` and ``on`` are words.

PyYAML follows YAML 1.1, where ``1e-4`` is a string, ``no`` is false, ``1:30`` is ninety and a date is an object. Only
its parser is used here; what a plain scalar means is decided by the core schema of YAML 1.2. Keys given twice, tags
and files that are too large or too deep are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from metahp.errors import SweepSpecError

MAX_CHARACTERS = 1_000_000
MAX_NODES = 100_000  # aliases count as often as they are used, so a small file cannot grow without bound
MAX_DEPTH = 50

Path = tuple[str | int, ...]

_SCALARS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"(null|Null|NULL|~|)"), lambda _: None),
    (re.compile(r"(true|True|TRUE)"), lambda _: True),
    (re.compile(r"(false|False|FALSE)"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.lower().replace(".", ""))),
)

_KINDS = ("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "merge", "value")
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in _KINDS}  # what PyYAML's own guesses are called


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says and where it says it.

    Attributes:
        data: dicts, lists, strings, numbers, booleans and None.
        lines: the line, counted from 1, of every value by its path; for a key of a mapping, the line of the key.
    """

    data: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of ``path``, or of the closest thing around it that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str, source: str) -> Document:
    """Read one YAML document.

    Args:
        text: the file's content.
        source: the file's name, for the error messages.

    Raises:
        SweepSpecError: it is no YAML, or YAML that is refused here; the message begins with ``source:line:``.
    """
    if len(text) > MAX_CHARACTERS:
        raise SweepSpecError(f"{source}: holds {len(text)} characters, at most {MAX_CHARACTERS} are read")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise SweepSpecError(f"{source}:{mark.line + 1 if mark else 1}: no YAML: {problem.problem}") from None
    except (yaml.YAMLError, RecursionError) as problem:
        raise SweepSpecError(f"{source}: no YAML: {' '.join(str(problem).split())}") from None
    reader = _Reader(source)
    return Document(reader.value(root, ()) if root is not None else None, reader.lines)


@dataclass
class _Reader:
    source: str
    lines: dict[Path, int] = field(default_factory=dict)
    nodes: int = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise self._refused(node, f"more than {MAX_NODES} values or {MAX_DEPTH} levels; is an alias repeated?")
        if node.tag not in _PLAIN_TAGS:
            raise self._refused(node, f"the tag {node.tag!r} is not read; write the value itself")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # there is no fourth kind
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._refused(key_node, "a key must be a name, got a list or a mapping")
            key = str(key_node.value)
            if key in found:
                first = self.lines[(*path, key)]
                raise self._refused(key_node, f"{key!r} is given twice, first in line {first}; keep one of them")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.style is not None:  # quoted or a block: always text
            return node.value
        for pattern, convert in _SCALARS:
            if pattern.fullmatch(node.value):
                return convert(node.value)
        return node.value

    def _refused(self, node: yaml.Node, reason: str) -> SweepSpecError:
        return SweepSpecError(f"{self.source}:{node.start_mark.line + 1}: {reason}")
