"""Takes secrets out of what is about to be written.

Two rules. A *text* under a key that sounds like a secret (``api_key``, ``hf_token``, ``password``) becomes
``"<redacted>"``, unless the search space searches that key: the choices of a hyperparameter called ``tokenizer`` are no
secret. And in every text, also one that is a key, what looks like a known kind of credential, the user info of a URL,
or what follows ``password=`` is cut out. Numbers stay: ``max_tokens=512`` is no secret.

A search space whose choices hold a credential is refused: cut out, two choices could not be told apart, and a sweep
that goes on could not be given its own configurations back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from metahp.domains import Domain
from metahp.errors import RecordError
from metahp.space import Categorical, Conditional, Constant, Group, Node, SearchSpace
from metahp.store.codec import MAX_DEPTH, too_deep

REDACTED = "<redacted>"

_SECRET_KEY = re.compile(r"pass|secret|token(?!i[sz])|api_?key|credential|private|auth(?!or)|cookie", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"""(?<=://)[^/?\#\s]+(?=@)                                # user info of a URL, up to the last @
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                           # AWS
    | \bAIza[0-9A-Za-z_-]{35}                                 # Google
    | \bya29\.[0-9A-Za-z_-]{20,}                              # Google OAuth
    | \bhf_[0-9A-Za-z]{20,}                                   # Hugging Face
    | \bgh[pousr]_[0-9A-Za-z]{30,} | \bgithub_pat_\w{30,}     # GitHub
    | \bsk-[0-9A-Za-z_-]{20,}                                 # OpenAI and others
    | \bxox[abprs]-[0-9A-Za-z-]{10,}                          # Slack
    | \beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]*)?          # JSON Web Token
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z)
    | (?P<scheme>\b(?i:bearer|authorization["']?\s*[:=]\s*["']?basic)\s+)[0-9A-Za-z._~+/-]{16,}=*      # of HTTP
    | (?P<basic>\b(?i:basic)\s+)(?=\S*[A-Z])(?=\S*[0-9=])[0-9A-Za-z+/]{16,}=*     # Base64; what has neither is words
    | (?P<name>(?i:passw(?:or)?d|passphrase|secret(?:_?(?:access_?)?key)?|api[_-]?key|credentials?)["']?\s*[=:]\s*)
      (?:"[^"<]{3,}" | '[^'<]{3,}' | [^\s"'&,;<>]{3,})
    | (?P<token>(?i:token)["']?\s*[=:]\s*["']?)[0-9A-Za-z._~+/-]{16,}=*          # shorter ones are words
    """,
    re.VERBOSE | re.DOTALL,
)


def redact_text(text: str) -> str:
    """``text`` without anything that looks like a credential."""
    return _SECRET_TEXT.sub(_redacted, text)


def redact(value: Any, node: Node | None = None, *, secret: bool = False, depth: int = 0) -> Any:
    """``value`` without secrets.

    Args:
        value: a configuration, a report, or part of one.
        node: the part of the search space that it belongs to; what may be chosen there is left as it is.
        secret: whether it was found under a key that sounds like a secret.
        depth: how deep it was found.

    Raises:
        RecordError: it is nested too deeply to be written, or in itself.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    if isinstance(node, Domain | Conditional) and _may_be(node, value):
        return _redact_chosen(value, node, depth)
    match value:
        case str():
            return REDACTED if secret else redact_text(value)
        case bytes():
            return REDACTED
        case Mapping():
            return _redact_dict(value, node, secret, depth)
        case list():
            return [redact(item, secret=secret, depth=depth + 1) for item in value]
        case tuple():
            return tuple(redact(item, secret=secret, depth=depth + 1) for item in value)
        case np.ndarray() if value.dtype.kind not in "biufc":
            return redact(value.tolist(), secret=secret, depth=depth + 1)
    return value


def _redact_dict(value: Mapping[Any, Any], node: Node | None, secret: bool, depth: int) -> dict[Any, Any]:
    below = dict(node.items) if isinstance(node, Group) else {}
    return {
        redact(key, depth=depth + 1): redact(
            item, below.get(key), secret=secret or _sounds_secret(key), depth=depth + 1
        )
        for key, item in value.items()
    }


def _redact_chosen(value: Any, node: Node, depth: int) -> Any:
    """A choice of the search space, in which only what the space does not name can be a secret."""
    match node:
        case Conditional(options):
            (_, option), *_ = SearchSpace({"x": node}).assignments({"x": value})
            return _redact_chosen(value, options[option], depth)
        case Group(items):
            below = dict(items)
            extra = _redact_dict({key: item for key, item in value.items() if key not in below}, None, False, depth)
            return {**extra, **{key: _redact_chosen(value[key], sub, depth) for key, sub in items if key in value}}
    return value


def redact_space(space: SearchSpace) -> SearchSpace:
    """``space`` with the secrets among its constants taken out; the same object where there are none.

    Raises:
        RecordError: a secret is what is searched, or a name.
    """
    clean = SearchSpace(dict(_redact_group(space.root).items))
    return space if clean == space else clean


def _redact_group(group: Group) -> Group:
    return Group(tuple((_checked(key, key), _redact_node(key, node)) for key, node in group.items))


def _redact_node(key: str, node: Node) -> Node:
    match node:
        case Group():
            return _redact_group(node)
        case Constant(value):
            return Constant(redact(value, secret=_sounds_secret(key)))
    for text in _texts(node):
        _checked(text, key)
    return node


def _checked(text: str, key: str) -> str:
    clean = redact_text(text)
    if clean != text:
        raise RecordError(
            f"the search space holds what looks like a credential at {redact_text(key)!r} ({clean:.100}); "
            "offer names there, and look up what they stand for in the training function"
        )
    return text


def _texts(node: Any) -> Iterator[str]:
    """Every text below a part of a search space, keys too."""
    match node:
        case str():
            yield node
        case Categorical(choices):
            yield from _texts(choices)
        case Conditional(options):
            yield from _texts(options)
        case Constant(value):
            yield from _texts(value)
        case Group(items):
            yield from _texts(items)
        case Mapping():
            yield from _texts(tuple(node.items()))
        case list() | tuple():
            for item in node:
                yield from _texts(item)


def _may_be(node: Domain | Conditional, value: Any) -> bool:
    """Whether a value comes from the search space, which was checked as a whole."""
    if isinstance(node, Conditional):
        return SearchSpace({"x": node}).contains({"x": value})
    return node.contains(value)


def _redacted(found: re.Match[str]) -> str:
    return f"{found['scheme'] or found['basic'] or found['name'] or found['token'] or ''}{REDACTED}"


def _sounds_secret(key: object) -> bool:
    return _SECRET_KEY.search(str(key)) is not None
