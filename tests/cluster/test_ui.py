"""``metahp ui`` by HTTP: who gets in, what every page says, and how the command begins and ends."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from metahp.store import Store, SweepWriter
from metahp.types import Measurement, TrialStatus
from metahp_cluster import markup, sections
from metahp_cluster.ui import rendering, trial_page
from metahp_cluster.ui.app import make_app
from metahp_cluster.ui.guard import COOKIE
from metahp_cluster.ui.watch import LOOK_EVERY_S, SILENT_AFTER, Watch

TOKEN = "a-token-that-nobody-guesses"
Running = tuple[Store, SweepWriter]
Start = Callable[..., subprocess.Popen[str]]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += LOOK_EVERY_S
        return self.now


def stranger(store: Store) -> TestClient:
    return TestClient(make_app(Watch(store, Clock()), TOKEN), base_url="http://127.0.0.1:8000", follow_redirects=False)


def friend(store: Store) -> TestClient:
    client = stranger(store)
    client.cookies.set(COOKIE, TOKEN)
    return client


def part(client: TestClient, address: str) -> dict[str, Any]:
    answer = client.get(f"/part/{address}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# Who gets in


def test_without_the_token_nothing_is_said(running: Running) -> None:
    client = stranger(running[0])
    routes = [route for route in client.app.routes if isinstance(route, Route | Mount)]  # type: ignore[attr-defined]
    addresses = [route.path.replace("{key}", "best").replace("{path:path}", "") for route in routes]
    assert len(addresses) >= 9
    for address in [*addresses, "/assets/live.js", "/nowhere"]:
        for query in ("", "?token=wrong", "?token=", "?id=s-1"):
            answer = client.get(address + query)
            assert answer.status_code == 403, address
            assert "with its token" in answer.text
            assert "running" not in answer.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(running: Running) -> None:
    client = stranger(running[0])
    answer = client.get(f"/sweep?id=s-1&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sweep?id=s-1"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert client.get("/sweep?id=s-1").status_code == 200
    client.cookies.set(COOKIE, "wrong", domain="127.0.0.1")
    assert stranger(running[0]).get("/", headers={"Cookie": f"{COOKIE}=wrong"}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.0.7", ""])
def test_other_names_of_this_machine_get_no_answer(host: str, running: Running) -> None:
    assert friend(running[0]).get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "localhost"])
def test_its_own_names_do(host: str, running: Running) -> None:
    client = stranger(running[0])
    assert client.get("/", headers={"Host": host, "Cookie": f"{COOKIE}={TOKEN}"}).status_code == 200


def test_every_answer_forbids_what_is_not_ours(running: Running) -> None:
    for client in (friend(running[0]), stranger(running[0])):
        for address in ("/", "/part/sweeps", "/assets/live.js", "/nowhere"):
            headers = client.get(address).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self';" in policy
            assert "unsafe-eval" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"


def test_only_questions_are_answered(running: Running) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert friend(running[0]).request(method, "/").status_code == 405


def test_nothing_comes_from_elsewhere(running: Running) -> None:
    client = friend(running[0])
    texts = [client.get(a).text for a in ("/", "/sweep?id=s-1", "/trial?sweep=s-1&number=1", "/nowhere")]
    texts += [path.read_text() for path in rendering.ASSETS.iterdir()]
    addresses = [a for text in texts for a in re.findall(r"https?://[^\s\"'<)]+", text)]
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    scripts = [a for text in texts for a in re.findall(r"(?:src|href)=\"([^\"]+)\"", text)]
    assert all(a.startswith(("/", "#", "data:,")) for a in scripts)
    plotly = client.get(re.findall(r'data-plotly="([^"]+)"', texts[0])[0])
    assert "plotly.js v" in plotly.text[:200]
    assert "immutable" in plotly.headers["cache-control"]


# What the pages say


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    client = friend(Store(tmp_path / "store"))
    assert "Sweeps" in client.get("/").text
    assert "holds no sweeps yet" in part(client, "sweeps")["html"]
    assert client.get("/live").json() == {"revision": 1}


def test_the_list_shows_sweeps_newest_first_and_trusts_no_name(running: Running) -> None:
    html = part(friend(running[0]), "sweeps")["html"]
    assert html.index("a &lt;b&gt;running&lt;/b&gt; sweep") < html.index("an earlier one")
    assert "<b>" not in html
    assert "badge running" in html
    assert "badge completed" in html
    assert "2 sweeps" in html


def test_the_list_is_searched_filtered_and_sorted(running: Running) -> None:
    client = friend(running[0])
    assert "2 sweeps" in part(client, "sweeps?q=IMAGE acc")["html"]
    assert "1 sweep<" in part(client, "sweeps?q=earlier")["html"]
    assert "1 sweep<" in part(client, "sweeps?status=running")["html"]
    assert "No sweep like that" in part(client, "sweeps?q=nothing")["html"]
    fewest = part(client, "sweeps?sort=trials")["html"]
    assert fewest.index("an earlier one") < fewest.index("running&lt;")
    most = part(client, "sweeps?sort=-trials&page=99999999999")["html"]
    assert most.index("an earlier one") > most.index("running&lt;")


@pytest.mark.parametrize("key", sections.SECTIONS)
def test_every_section_of_a_running_sweep(key: str, running: Running) -> None:
    told = part(friend(running[0]), f"sweep/{key}?id=s-1")
    assert told["html"] or told["figure"]
    assert "<b>" not in told["html"]
    if told["figure"]:
        assert told["label"]
        assert told["figure"]["data"]


def test_what_a_sweep_says(running: Running) -> None:
    client = friend(running[0])
    page = client.get("/sweep?id=s-1").text
    assert all(title in page for title, _ in sections.SECTIONS.values())
    assert "&lt;b&gt;running" in page
    facts = part(client, "sweep/facts?id=s-1")["html"]
    assert "21" in facts
    assert "1 running" in facts
    best = part(client, "sweep/best?id=s-1")["html"]
    config = re.search(r"config = \{.*\}", best, re.DOTALL)
    assert config
    exec(config[0].replace("&#39;", "'"), names := {})  # type: ignore[var-annotated]
    trials = {json.dumps(t.config): t for t in running[0].history("s-1").trials}
    assert trials[json.dumps(names["config"])].status is TrialStatus.COMPLETED
    assert "an earlier one" in part(client, "sweep/comparison?id=s-1")["html"]
    assert "7 trials were to be stopped" in part(client, "sweep/pruning?id=s-1")["html"]
    names_of = {trace["name"] for trace in part(client, "sweep/curves?id=s-1")["figure"]["data"]}
    assert {"best", "stopped", "completed", "forecast, stopped"} <= names_of


def test_the_table_of_trials(running: Running) -> None:
    client = friend(running[0])
    html = part(client, "sweep/trials?id=s-1")["html"]
    assert "21 trials" in html
    assert "/trial?sweep=s-1&amp;id=t-0003" in html
    assert "1 trial<" in part(client, "sweep/trials?id=s-1&q=t-0003")["html"]
    assert "7 trials" in part(client, "sweep/trials?id=s-1&status=stopped")["html"]
    unknown_last = re.findall(r"t-\d{4}</a>", part(client, "sweep/trials?id=s-1&sort=best")["html"])[-1]
    assert unknown_last in ("t-0020</a>", "t-0019</a>", "t-0014</a>", "t-0004</a>")


@pytest.mark.parametrize("key", trial_page.SECTIONS)
def test_every_section_of_a_trial(key: str, running: Running) -> None:
    for trial_id in ("t-0003", "t-0004", "t-0020"):  # stopped, diverged, not yet reported
        told = part(friend(running[0]), f"trial/{key}?sweep=s-1&id={trial_id}")
        assert told["html"] or told["figure"]
        assert "<0.9>" not in told["html"]


def test_what_a_trial_says(running: Running) -> None:
    client = friend(running[0])
    assert "t-0003" in client.get("/trial?sweep=s-1&number=4").text
    decided = part(client, "trial/decisions?sweep=s-1&id=t-0003")["html"]
    assert "chance to beat &lt;0.9&gt; is 1%" in decided
    assert "0.5 ± 0.1 at 6" in decided
    today = part(client, "trial/today?sweep=s-1&id=t-0003")
    assert "The most similar trials" in today["html"]
    assert "The most similar trials of past sweeps" in today["html"]
    assert "an earlier one" in today["html"]
    assert re.search("ost to blame: |o single hyperparameter is to blame", today["html"])
    assert {"median forecast", "middle 50 %", "middle 80 %"} <= {trace.get("name") for trace in today["figure"]["data"]}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/nowhere", "no such page"),
        ("/sweep", "lacks id="),
        ("/sweep?id=no", "holds no sweep &#39;no&#39;"),
        ("/trial?sweep=s-1&id=no", "holds no trial &#39;no&#39;"),
        ("/part/sweep/no?id=s-1", "no such part"),
        ("/part/trial/curve?sweep=s-1&id=no", "holds no trial"),
    ],
)
def test_what_is_not_there_is_said(address: str, said: str, running: Running) -> None:
    answer = friend(running[0]).get(address)
    assert answer.status_code == 404
    assert said in answer.text
    assert "Traceback" not in answer.text


# A store that changes


def test_the_revision_grows_with_what_is_published(running: Running) -> None:
    store, writer = running
    client = friend(store)
    before = client.get("/live?sweep=s-1").json()
    assert client.get("/live?sweep=s-1").json() == before
    earlier = client.get("/live?sweep=s-0").json()
    writer.record("t-0020", Measurement(1, 0.99, 1.0))
    writer.seal()
    assert client.get("/live?sweep=s-1").json()["revision"] > before["revision"]
    assert client.get("/live?sweep=s-0").json() == earlier
    assert "0.99" in part(client, "sweep/facts?id=s-1")["html"]


def test_a_damaged_file_is_said_and_the_rest_is_shown(running: Running) -> None:
    store, _ = running
    victim = sorted((store.path / "results").rglob("seg-*"))[0]
    victim.write_bytes(b"torn")
    client = friend(Store(store.path))
    for address in ("/", "/sweep?id=s-0", "/trial?sweep=s-0&number=1"):
        page = client.get(address)
        assert page.status_code == 200
        assert "rows cannot be read" in page.text
    for key in sections.SECTIONS:
        part(client, f"sweep/{key}?id=s-0")


def test_a_store_that_went_away_is_one_sentence(running: Running) -> None:
    store, writer = running
    client = friend(store)
    assert client.get("/").status_code == 200
    writer.close()
    shutil.move(store.path, store.path.with_name("elsewhere"))
    store.path.write_text("in the way")
    answer = client.get("/live")
    assert answer.status_code == 503
    assert "cannot list" in answer.text
    store.path.unlink()
    shutil.move(store.path.with_name("elsewhere"), store.path)
    assert client.get("/live").status_code == 200


def test_the_store_is_asked_at_most_once_a_second(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    watch = Watch(running[0], lambda: clock.now)
    watch.entries()
    polls: list[float] = []
    monkeypatch.setattr(watch._follower, "poll", lambda: polls.append(clock.now) or [])
    for clock.now in (0.1, 0.9, 1.0, 1.5, 2.1):
        watch.revision()
        watch.entry("s-1")
    assert polls == [1.0, 2.1]


def test_times_as_people_say_them() -> None:
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    said = [str(markup.ago(now - timedelta(seconds=s), now)) for s in (-5, 59, 61, 7300, 200_000)]
    assert [re.sub("<[^>]+>", "", text) for text in said] == ["just now", "just now", "1 min ago", "2 h ago", "2 d ago"]
    assert "2026-01-02 12:00:05 UTC" in said[0]
    assert [markup.duration(s) for s in (0, 3.21, 90, 5400)] == ["–", "3.2 s", "1.5 min", "1.5 h"]


# The command


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metahp_cluster", "ui", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        timeout=60,
    )


def test_it_serves_until_ctrl_c_even_where_home_cannot_be_written(
    running: Running, metahp: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    process = metahp("ui", str(running[0].path), "--json")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["store"] == str(running[0].path)
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43})", told["address"])
    assert address
    with socket.create_connection(("127.0.0.1", int(address[1])), timeout=10) as line:
        line.sendall(f"GET /?token={address[2]} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 303")
    taken = command(str(running[0].path), "--port", address[1])
    assert taken.returncode == 2
    assert taken.stderr.strip() == (
        f"metahp: cannot listen on port {address[1]} of 127.0.0.1: Address already in use; "
        "choose another one, or leave --port out"
    )
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest == ""


def test_without_a_store_it_says_where_it_looked(tmp_path: Path) -> None:
    done = command(XDG_DATA_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"metahp: there is no store at {tmp_path / 'metahp' / 'store'};")
    assert not (tmp_path / "metahp").exists()


def test_a_silent_driver_is_not_called_running(running: Running) -> None:
    entry = Watch(running[0]).entry("s-1")
    assert entry.state(entry.log.latest) == "running"
    assert entry.state(entry.log.latest + 2 * SILENT_AFTER) == "silent"
    assert replace(entry, log=replace(entry.log, state="interrupted")).state(entry.log.latest) == "interrupted"
