"""``metahp learn`` and ``metahp model …``: the versions of a store's predictor."""

from __future__ import annotations

import logging
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from metahp.errors import StoreError
from metahp.models import Card, cards, forget_after
from metahp.store import Store
from metahp_cluster.as_json import AsJson, print_json

Location = Annotated[str, typer.Argument(help="The store's directory.", envvar="METAHP_STORE")]

app = typer.Typer(help="The versions of a store's predictor.", no_args_is_help=True)


def learn(
    location: Location,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the store.")] = 20.0,
    once: Annotated[bool, typer.Option("--once", help="Learn what is new, then end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow a store, and let its predictor learn what sweeps add to it; for a store that many people use."""
    from metahp.learner import Learner

    if as_json and not once:
        raise typer.BadParameter("--json is for the one answer of --once")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr if once else sys.stdout)
    learner = Learner(Store(location, create=False))
    if not once:
        learner.follow(interval)
        return
    version = learner.step()
    print_json({"version": version}) if as_json else print(version or "nothing is new")


@app.command("list")
def list_versions(location: Location, as_json: AsJson = False) -> None:
    """The versions that are kept, the newest first."""
    found = cards(Store(location, create=False))
    if as_json:
        print_json(found)
        return
    table = Table(Column("version", no_wrap=True), "made", "sweeps learned", "network", box=None)
    for card in found:
        table.add_row(card.version, _moment(card), str(len(card.learned)), _verdict(card))
    Console().print(table if found else "no predictor was saved yet; metahp run and metahp learn save one")


@app.command()
def show(
    location: Location,
    version: Annotated[str, typer.Argument(help="The version, or how its name begins.")],
    as_json: AsJson = False,
) -> None:
    """What one version is made of, and how its network did on trials that were held out."""
    found = [card for card in cards(Store(location, create=False)) if card.version.startswith(version)]
    if len(found) != 1:
        raise StoreError(f"{len(found)} versions begin with {version!r}; metahp model list names those that are kept")
    (card,) = found
    if as_json:
        print_json(card)
        return
    print(f"{card.version}, made {_moment(card)} by metahp {card.metahp}")
    print(f"network: {_judged(card)}")
    for sweep, trials in card.learned.items():
        print(f"learned {trials} trials of {sweep}")


@app.command()
def rollback(
    location: Location,
    version: Annotated[str, typer.Argument(help="The version to go back to.")],
    as_json: AsJson = False,
) -> None:
    """Forget all versions after one; what they had learned is learned anew from there."""
    forgotten = forget_after(Store(location, create=False), version)
    if as_json:
        print_json({"newest": version, "forgotten": forgotten})
    else:
        print(f"{len(forgotten)} versions forgotten, {version} is the newest")


def _verdict(card: Card) -> str:
    """What came of the contest."""
    contest = card.contest
    if contest is None or contest.challenger is None:
        return "not judged"
    if contest.champion is None:
        return "first"
    return "better, used" if contest.challenger_wins else "worse, not used"


def _judged(card: Card) -> str:
    """The same with its scores."""
    contest = card.contest
    if contest is None or contest.challenger is None:
        return "not judged: too few trials to hold some out"
    before = "" if contest.champion is None else f"{contest.champion:.3f} → "
    scores = f"{before}{contest.challenger:.3f} in log-likelihood a held-out report"
    return f"{_verdict(card)}; {scores}, by {contest.sweeps} sweep{'s' if contest.sweeps > 1 else ''}"


def _moment(card: Card) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(card.created_at))
