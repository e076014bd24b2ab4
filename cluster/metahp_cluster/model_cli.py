"""``metahp learn`` and ``metahp model …``: the versions of a store's predictor."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from metahp import versions
from metahp.errors import StoreError
from metahp.versions import Card
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.own_store import Location, opened, store_and_word
from metahp_cluster.printable import print_lines
from metahp_cluster.quiet import noise_to
from metahp_cluster.tables import print_table

VersionWords = Annotated[
    list[str],
    typer.Argument(help="The version, or how its name begins; the store before it.", metavar="[STORE] VERSION"),
]

app = typer.Typer(help="The versions of a store's predictor.", no_args_is_help=True)


def learn(
    location: Location = None,
    interval: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks at the store.", metavar="SECONDS")
    ] = 20.0,
    once: Annotated[bool, typer.Option("--once", help="Learn what is new, then end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow a store, and let its predictor learn what sweeps add to it; for a store that many people use.

    Example: metahp learn ~/sweeps --once
    """
    from metahp.learner import Learner

    if as_json and not once:
        raise typer.BadParameter("--json is for the one answer of --once")
    store, told = opened(location), sys.stderr if once else sys.stdout
    with noise_to(Path(os.devnull), told) as shown:  # TensorFlow's
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=shown)
        learner = Learner(store)
        if not once:
            learner.follow(interval)
            return
        busy, version = not learner.leads(), learner.step()
    if as_json:
        print_json({"version": version, "busy": busy})
    else:
        print("another learner is at work on this store" if busy else version or "nothing is new")


@app.command("list")
def list_versions(
    location: Location = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those of which only the card is left.")] = False,
    as_json: AsJson = False,
) -> None:
    """The versions that are kept, the newest first.

    Example: metahp model list ~/sweeps
    """
    store = opened(location)
    found = [*versions.cards(store), *(versions.gone_cards(store) if everything else ())]
    found.sort(key=lambda card: card.version, reverse=True)
    if as_json:
        print_json(found)
        return
    if not found:
        print("no predictor was saved yet; metahp run and metahp learn save one")
        return
    rows = [(card.version, _moment(card), _count(card.rows), str(len(card.learned)), _verdict(card)) for card in found]
    print_table(("version", "made", "reports in all", "sweeps learned", "network"), rows)
    if (pin := versions.pinned(store)) is not None:
        print(f"rolled back to {pin}: nothing is learned before metahp model unpin")


@app.command()
def show(
    words: VersionWords,
    as_json: AsJson = False,
) -> None:
    """What one version is made of, and how its network did on what was held out; also of one that is gone.

    Example: metahp model show 0195f7
    """
    store, version = store_and_word(words)
    known = [*versions.cards(store), *versions.gone_cards(store)]
    found = [card for card in known if card.version.startswith(version)]
    if len(found) != 1:
        raise StoreError(f"{len(found)} versions begin with {version!r}; metahp model list --all names all there were")
    (card,) = found
    if as_json:
        print_json(card)
        return
    by = f"metahp {card.metahp}" + (f", commit {card.commit[:10]}" if card.commit else "")
    lines = (
        f"{card.version}, made {_moment(card)} by {by}" + ("" if card.cursor else "; only its card is kept"),
        f"trained from {card.before or 'what the store began with'}; {_count(card.rows)} reports in all",
        f"network: {_judged(card)}",
        *(f"learned {trials} trials of {sweep}" for sweep, trials in card.learned.items()),
    )
    print_lines(lines)


@app.command()
def rollback(
    words: VersionWords,
    as_json: AsJson = False,
) -> None:
    """Remove all versions after one, and learn nothing more before `metahp model unpin`.

    Example: metahp model rollback 0195f7
    """
    store, version = store_and_word(words)
    forgotten = versions.roll_back(store, version)
    if as_json:
        print_json({"newest": version, "forgotten": forgotten})
    else:
        print(f"{len(forgotten)} versions removed; {version} is used until metahp model unpin")


@app.command()
def unpin(location: Location = None, as_json: AsJson = False) -> None:
    """After a rollback: learn again, from the version that was rolled back to.

    Example: metahp model unpin
    """
    released = versions.unpin(opened(location))
    if as_json:
        print_json({"released": released})
    else:
        print("it learns again" if released else "it was not rolled back")


def _verdict(card: Card) -> str:
    """What came of the contest."""
    contest = card.contest
    if contest is None or not contest.is_judged:
        return "not judged"
    if contest.champion is None and contest.champion_whole is None:
        return "first"
    return "better, used" if contest.challenger_wins else "worse, not used"


def _judged(card: Card) -> str:
    """The same with its scores."""
    contest = card.contest
    if contest is None or not contest.is_judged:
        return "not judged: nothing new was trained on, or too few trials are there to hold some out"
    parts = (
        _scores(contest.champion, contest.challenger, contest.sweeps, "held-out trials of"),
        _scores(contest.champion_whole, contest.challenger_whole, contest.whole_sweeps, "held out as a whole,"),
    )
    return f"{_verdict(card)}; log-likelihood a report: " + "; ".join(part for part in parts if part)


def _scores(before: float | None, after: float | None, sweeps: int, what: str) -> str:
    if after is None:
        return ""
    change = f"{after:.3f}" if before is None else f"{before:.3f} → {after:.3f}"
    return f"{change} by {what} {sweeps} sweep{'s' if sweeps > 1 else ''}"


def _count(rows: int | None) -> str:
    return "?" if rows is None else f"{rows:,}"


def _moment(card: Card) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(card.created_at))
