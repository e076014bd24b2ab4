// The parts of a live page: fetched when they come into sight, and again when the store has something new.
"use strict";

(() => {
  const LOOK_EVERY_MS = 2000;
  const TYPING_MS = 200;
  const sweep = document.querySelector("[data-sweep]")?.dataset.sweep;
  const live = sweep === undefined ? "/live" : `/live?sweep=${encodeURIComponent(sweep)}`;
  const state = document.getElementById("state");
  let revision = null;

  const parts = [...document.querySelectorAll("[data-part]")].map(element => ({
    element,
    query: element.hasAttribute("data-query") ? new URLSearchParams(location.search) : null,
    shown: null, // what it shows: revision, minute, query
    inSight: false,
    busy: false,
  }));

  function say(text, kind) {
    if (state.textContent !== text) state.textContent = text;
    state.dataset.kind = kind;
  }

  function address(part) {
    const [path, fixed = ""] = part.element.dataset.part.split("?");
    const query = new URLSearchParams(part.query ?? "");
    for (const [key, value] of new URLSearchParams(fixed)) query.set(key, value);
    return `${path}?${query}`;
  }

  async function ask(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (answer.ok) return answer.json();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    throw new Error(page.querySelector("p")?.textContent ?? `the answer was ${answer.status}`);
  }

  async function refresh(part) {
    const url = address(part);
    const minute = Math.floor(Date.now() / 60000); // "5 min ago" is wrong a minute later
    const wanted = `${revision} ${minute} ${url}`;
    if (part.busy || !part.inSight || revision === null || part.shown === wanted) return;
    part.busy = true;
    try {
      await show(part.element, await ask(url));
    } catch (problem) {
      show(part.element, { html: note(problem.message), figure: null });
    }
    part.shown = wanted;
    part.busy = false;
    refresh(part); // it may have been asked for something else meanwhile
  }

  function note(text) {
    const paragraph = document.createElement("p");
    paragraph.className = "note";
    paragraph.textContent = text;
    return paragraph.outerHTML;
  }

  async function show(element, answer) {
    const text = element.querySelector(".text");
    if (text.known !== answer.html) {
      const focused = text.contains(document.activeElement) ? document.activeElement.id : "";
      text.innerHTML = text.known = answer.html;
      if (focused) document.getElementById(focused)?.focus();
    }
    text.removeAttribute("aria-busy");
    const figure = element.querySelector("figure");
    if (figure && answer.figure) await MetaHP.draw(figure, answer.figure, answer.label);
    else if (figure) figure.hidden = true;
  }

  async function look() {
    try {
      revision = (await ask(live)).revision;
      say("live", "good");
    } catch (problem) {
      const lost = problem instanceof TypeError; // what fetch throws where nobody answers
      say(lost ? "metahp ui has ended" : problem.message, "bad");
    }
    parts.forEach(refresh);
  }

  async function lookOnAndOn() {
    if (!document.hidden) await look();
    setTimeout(lookOnAndOn, LOOK_EVERY_MS);
  }

  // Searching, sorting, turning pages: all of it is the part's query, which is also the page's address.

  function setQuery(part, changes) {
    for (const [key, value] of Object.entries(changes)) {
      if (value) part.query.set(key, value);
      else part.query.delete(key);
    }
    if (!("page" in changes)) part.query.delete("page");
    const query = part.query.toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    refresh(part);
  }

  for (const part of parts.filter(each => each.query)) {
    const form = part.element.querySelector("form");
    for (const field of form.elements) field.value = part.query.get(field.name) ?? "";
    let waiting;
    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("input", event => {
      clearTimeout(waiting);
      waiting = setTimeout(() => setQuery(part, { [event.target.name]: event.target.value }), TYPING_MS);
    });
    part.element.addEventListener("click", event => {
      const button = event.target.closest("button[data-set]");
      if (button) setQuery(part, Object.fromEntries(new URLSearchParams(button.dataset.set)));
    });
  }

  document.addEventListener("keydown", event => {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      document.querySelector("input[type=search]")?.focus();
    } else if (event.key === "Escape" && typing) {
      event.target.blur();
    }
  });

  document.addEventListener("trial", event => {
    if (sweep !== undefined && typeof event.detail === "number") {
      location.assign(`/trial?sweep=${encodeURIComponent(sweep)}&number=${event.detail}`);
    }
  });

  const sight = new IntersectionObserver(entries => {
    for (const entry of entries) {
      const part = parts.find(each => each.element === entry.target);
      part.inSight = entry.isIntersecting;
      refresh(part);
    }
  }, { rootMargin: "400px" });
  for (const part of parts) sight.observe(part.element);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  lookOnAndOn();
})();
