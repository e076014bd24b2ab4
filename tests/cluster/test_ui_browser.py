"""``metahp ui`` and reports in a real browser: drawn without errors, live, by keyboard, with ten thousand trials."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from metahp.space import Float, SearchSpace
from metahp.store import Store, SweepWriter
from metahp.types import Measurement
from metahp_cluster.cli import app as command
from metahp_cluster.sections import SECTIONS
from metahp_cluster.ui.app import make_app
from metahp_cluster.ui.serve import listen
from metahp_cluster.ui.watch import Watch

pytestmark = pytest.mark.slow

TOKEN = "a-token"
WAIT_S = 60.0
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1300,900",
]
Running = tuple[Store, SweepWriter]
Show = Callable[[Store], str]
Serving = tuple[uvicorn.Server, threading.Thread]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver, e.g. the Debian packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, Service(DRIVER))
    browser.set_script_timeout(WAIT_S)
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The browser in its first state; what it complained about fails the test."""
    chromium.get("about:blank")
    chromium.set_window_size(1300, 900)
    prefer(chromium, "light")
    chromium.get_log("browser")
    yield chromium
    complaints = [entry["message"] for entry in chromium.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]
    assert not complaints


@pytest.fixture
def serving(browser: webdriver.Chrome) -> Iterator[list[Serving]]:
    """What is served now, all of which ends with the test; the page is left first, as it still asks for its parts."""
    started: list[Serving] = []
    yield started
    browser.get("about:blank")
    for each in started:
        end(each)


@pytest.fixture
def show(serving: list[Serving]) -> Show:
    """Serves a store; returns the address with the token."""

    def start(store: Store) -> str:
        at = listen(0)
        port = at.getsockname()[1]
        app = make_app(Watch(store), TOKEN, f"cookie-{port}")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
        thread.start()
        serving.append((server, thread))
        return f"http://127.0.0.1:{port}/?token={TOKEN}"

    return start


def end(serving: Serving) -> None:
    server, thread = serving
    server.should_exit = True
    thread.join()


def prefer(browser: webdriver.Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def ask(browser: webdriver.Chrome, expression: str) -> Any:
    return browser.execute_script(f"return {expression}")


def wait(browser: webdriver.Chrome, expression: str) -> Any:
    """Until the expression is true in the page."""
    return WebDriverWait(browser, WAIT_S, 0.05).until(lambda _: ask(browser, expression), expression)


def enter(browser: webdriver.Chrome, address: str, path: str = "") -> None:
    browser.get(address)
    if path:
        browser.get(address.split("/?")[0] + path)


def scroll_through(browser: webdriver.Chrome) -> None:
    """Brings every part into sight, one after the other, until all of them are there."""
    for number in range(ask(browser, "document.querySelectorAll('[data-part]').length")):
        part = f"document.querySelectorAll('[data-part]')[{number}]"
        ask(browser, f"{part}.scrollIntoView()")
        wait(browser, f"!{part}.querySelector('[aria-busy]')")
    wait(browser, "[...document.querySelectorAll('figure')].every(f => f.hidden || f.querySelector('.main-svg'))")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1300), ("dark", 500)])
def test_every_page_is_drawn_without_a_complaint(
    scheme: str, width: int, browser: webdriver.Chrome, show: Show, running: Running
) -> None:
    prefer(browser, scheme)
    browser.set_window_size(width, 900)
    address = show(running[0])
    for path in ("", "/sweep?id=s-1", "/trial?sweep=s-1&id=t-0003", "/sweep?id=s-0"):
        enter(browser, address, path)
        scroll_through(browser)
        assert ask(browser, FITS), path
        assert "token" not in browser.current_url
    wait(browser, "document.querySelectorAll('.main-svg').length >= 5")  # they may come with the next look at the store
    background = ask(browser, "getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert (brightness > 128) == (scheme == "light")


def test_an_empty_store_says_how_to_fill_it(browser: webdriver.Chrome, show: Show, tmp_path: Path) -> None:
    enter(browser, show(Store(tmp_path / "store")))
    wait(browser, "document.body.innerText.includes('holds no sweeps yet')")
    assert ask(browser, "document.querySelector('pre code').textContent").startswith("metahp run")


def test_a_server_that_has_ended_is_said(
    browser: webdriver.Chrome, show: Show, serving: list[Serving], tmp_path: Path
) -> None:
    enter(browser, show(Store(tmp_path / "store")))
    wait(browser, "document.getElementById('state').textContent === 'live'")
    end(serving[0])
    wait(browser, "document.getElementById('state').textContent === 'metahp ui has ended'")
    browser.get("about:blank")
    browser.get_log("browser")  # that nobody answered is complained about there, too


def test_what_is_published_while_the_page_is_open_is_seen(
    browser: webdriver.Chrome, show: Show, running: Running
) -> None:
    store, writer = running
    address = show(store)
    enter(browser, address, "/sweep?id=s-1")
    wait(browser, "document.querySelector('.tiles dd')?.textContent")
    wait(browser, "document.querySelector('.progress .main-svg')")
    assert "0.9876" not in ask(browser, "document.body.innerText")
    ask(browser, "window.same = true")
    writer.record("t-0020", Measurement(1, 0.9876, 1.0))
    writer.seal()
    wait(browser, "document.querySelector('.tiles dd').textContent === '0.9876'")
    wait(browser, "document.querySelector('.best code').textContent.includes('0.9876')")
    assert ask(browser, "window.same")  # the page was not loaded again


def test_everything_by_keyboard(browser: webdriver.Chrome, show: Show, running: Running) -> None:
    enter(browser, show(running[0]), "/sweep?id=s-1")
    body = browser.switch_to.active_element
    body.send_keys(Keys.TAB)
    assert ask(browser, "document.activeElement.className") == "skip"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert ask(browser, "document.activeElement.id") == "main"
    scroll_through(browser)
    body = browser.switch_to.active_element
    body.send_keys("/")
    assert ask(browser, "document.activeElement.name") == "q"
    browser.switch_to.active_element.send_keys("t-0003")
    wait(browser, "document.querySelectorAll('.trials tbody tr').length === 1")
    assert "q=t-0003" in browser.current_url
    browser.switch_to.active_element.send_keys(Keys.CONTROL, "a")
    browser.switch_to.active_element.send_keys(Keys.DELETE)
    wait(browser, "document.querySelectorAll('.trials tbody tr').length === 21")
    browser.switch_to.active_element.send_keys(Keys.TAB, Keys.TAB)  # past the choice of a status
    assert ask(browser, "document.activeElement.id") == "sort-number"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(browser, "document.querySelector('.trials tbody td').textContent === '1'")
    assert ask(browser, "document.activeElement.id") == "sort-number"  # and can be pressed again
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    wait(browser, "document.querySelector('.trials tbody td').textContent === '21'")
    ask(browser, "document.getElementById('theme').focus()")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert ask(browser, "document.documentElement.dataset.theme") == "dark"
    browser.refresh()
    assert ask(browser, "document.documentElement.dataset.theme") == "dark"
    ask(browser, "localStorage.clear()")


def test_a_point_of_a_figure_leads_to_its_trial(browser: webdriver.Chrome, show: Show, running: Running) -> None:
    enter(browser, show(running[0]), "/sweep?id=s-1")
    wait(browser, "document.querySelector('.progress .point')")
    point = browser.find_element("css selector", ".progress .point")
    ActionChains(browser).move_to_element(point).pause(0.3).click().perform()
    wait(browser, "location.pathname === '/trial' && document.querySelector('h1').textContent.startsWith('Trial ')")
    wait(browser, "document.querySelector('.configuration code')")


def test_everything_that_can_be_used_has_a_name(browser: webdriver.Chrome, show: Show, running: Running) -> None:
    enter(browser, show(running[0]), "/sweep?id=s-1")
    scroll_through(browser)
    nameless = """[...document.querySelectorAll('a, button, input, select, figure, section')].filter(e =>
        !e.hidden && !e.closest('.plotly') && !(e.getAttribute('aria-label') || e.textContent.trim()
        || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)"""
    assert ask(browser, nameless) == []
    levels = ask(browser, "[...document.querySelectorAll('h1, h2, h3')].map(e => e.tagName)")
    assert levels[0] == "H1"
    assert levels.count("H1") == 1
    assert ask(browser, "document.documentElement.lang") == "en"


def peaks(count: int) -> list[dict[str, Any]]:
    return [
        {"config": {"x": n / count}, "curve": [(s, 1 - (n / count - 0.3) ** 2 - 1 / s) for s in range(1, 6)]}
        for n in range(count)
    ]


def test_ten_thousand_trials_stay_responsive(browser: webdriver.Chrome, show: Show, tmp_path: Path) -> None:
    """What is sent and drawn is bounded, whatever there is; so is the time of one interaction."""
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    space = SearchSpace({"x": Float(0, 1)})
    for count in (500, 10_000):
        store.import_sweep(name=f"{count}", space=space, metric="acc", mode="max", trials=peaks(count))
    address = show(store)
    times: dict[str, float] = {}
    nodes: dict[str, int] = {}
    for sweep in reversed(store.sweeps()):
        enter(browser, address, f"/sweep?id={sweep.sweep_id}")
        scroll_through(browser)
        nodes[sweep.name] = ask(browser, "document.querySelectorAll('*').length")
        times[sweep.name] = min(browser.execute_async_script(SEARCH, word) for word in ("x=0.2", "x=0.4", "x=0.6"))
        sent = "performance.getEntriesByType('resource').filter(e => e.name.includes('/part/'))"
        sizes = ask(browser, f"{sent}.map(e => e.decodedBodySize)")
        assert 10_000 < max(sizes) < 1_000_000
    assert nodes["10000"] < min(20_000, 5 * nodes["500"])
    assert times["10000"] < 10 * times["500"] + 1000


SEARCH = """
const [word, done] = arguments, field = document.querySelector('.trials input');
const text = document.querySelector('.trials .text');
const seen = text.known, began = performance.now();
const look = () => text.known === seen ? requestAnimationFrame(look) : done(performance.now() - began);
field.value = word;
field.dispatchEvent(new Event('input', {bubbles: true}));
look();
"""
"""Milliseconds from a key in the search field to an answer on the screen that differs from the one before."""


def test_a_report_is_drawn_by_itself(browser: webdriver.Chrome, running: Running, tmp_path: Path) -> None:
    for name, options in (("one.html", ["--sweep", "s-1"]), ("all.html", ["--all"])):
        command(["report", str(running[0].path), *options, "--output", str(tmp_path / name)], standalone_mode=False)
        browser.get((tmp_path / name).as_uri())
        wait(browser, "[...document.querySelectorAll('figure')].every(f => f.querySelector('.main-svg'))")
        assert ask(browser, "performance.getEntriesByType('resource').length") == 0
        browser.set_window_size(500, 900)
        wait(browser, FITS)
    assert len(SECTIONS) == 8
