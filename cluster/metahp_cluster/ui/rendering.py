"""Templates and assets of the live pages and of the reports, which are made of the same parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent
ASSETS = HERE / "static"


def page(template: str, content: Mapping[str, Any]) -> str:
    """A page from a template; everything that is not markup already is escaped."""
    return _environment().get_template(template).render(content)


def inline(name: str) -> Markup:
    """The text of an asset, for pages that bring theirs along."""
    return Markup((ASSETS / name).read_text(encoding="utf-8"))


def figure_json(figure: go.Figure) -> Markup:
    """A figure as JSON that can stand in a ``<script>`` element."""
    return Markup(figure.to_json().replace("<", "\\u003c"))


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
