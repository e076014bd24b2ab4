"""Takes secrets out of what is about to be written.

Two rules. A *text* under a key that sounds like a secret (``api_key``, ``hf_token``, ``password``) becomes
``"<redacted>"``, unless the search space searches that key: the choices of a hyperparameter called ``tokenizer`` are no
secret. And in every text, what looks like a known kind of credential, or the user info of a URL, is cut out.
Numbers stay: ``max_tokens=512`` is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from metahp.space import Constant, Group, Node, SearchSpace

REDACTED = "<redacted>"

_SECRET_KEY = re.compile(r"pass|secret|token(?!i[sz])|api_?key|credential|private|auth(?!or)|cookie", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"""(?<=://)[^/\s@]+(?=@)                                 # user info of a URL
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                           # AWS
    | \bAIza[0-9A-Za-z_-]{35}                                 # Google
    | \bya29\.[0-9A-Za-z_-]{20,}                              # Google OAuth
    | \bhf_[0-9A-Za-z]{20,}                                   # Hugging Face
    | \bgh[pousr]_[0-9A-Za-z]{30,} | \bgithub_pat_\w{30,}     # GitHub
    | \bsk-[0-9A-Za-z_-]{20,}                                 # OpenAI and others
    | \bxox[abprs]-[0-9A-Za-z-]{10,}                          # Slack
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)


def redact_text(text: str) -> str:
    """``text`` without anything that looks like a credential."""
    return _SECRET_TEXT.sub(REDACTED, text)


def redact(value: Any, node: Node | None = None, *, secret: bool = False) -> Any:
    """``value`` without secrets.

    Args:
        value: a configuration, a report, or part of one.
        node: the part of the search space that it belongs to; what a domain there names is left as it is.
        secret: whether it was found under a key that sounds like a secret.
    """
    if node is not None and not isinstance(node, Group | Constant):
        return value
    match value:
        case str():
            return REDACTED if secret else redact_text(value)
        case bytes():
            return REDACTED
        case Mapping():
            below = dict(node.items) if isinstance(node, Group) else {}
            return {
                key: redact(item, below.get(key), secret=secret or _sounds_secret(key)) for key, item in value.items()
            }
        case list():
            return [redact(item, secret=secret) for item in value]
        case tuple():
            return tuple(redact(item, secret=secret) for item in value)
    return value


def redact_space(space: SearchSpace) -> SearchSpace:
    """``space`` with the secrets among its constants taken out; the same object where there are none."""
    clean = SearchSpace(dict(_redact_group(space.root).items))
    return space if clean == space else clean


def _redact_group(group: Group) -> Group:
    return Group(tuple((key, _redact_node(key, node)) for key, node in group.items))


def _redact_node(key: str, node: Node) -> Node:
    match node:
        case Group():
            return _redact_group(node)
        case Constant(value):
            return Constant(redact(value, secret=_sounds_secret(key)))
    return node


def _sounds_secret(key: object) -> bool:
    return _SECRET_KEY.search(str(key)) is not None
