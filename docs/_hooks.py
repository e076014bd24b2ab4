"""What mkdocs asks while it builds the site: the page of the commands is written from the commands themselves."""

from __future__ import annotations

from typing import Any

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from metahp_cluster.cli import app

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page, with every command in place of the mark."""
    return markdown.replace(MARK, _commands()) if MARK in markdown else markdown


def _commands() -> str:
    command = get_command(app)
    context = typer.Context(command, info_name="metahp")
    told: str = get_docs_for_click(obj=command, ctx=context, name="metahp")
    return told.replace("\n#", "\n##").removeprefix("# `metahp`")
