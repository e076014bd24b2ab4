// What live pages and reports share: figures in the page's colours, light or dark, and buttons that copy code.
"use strict";

const MetaHP = (() => {
  const root = document.documentElement;
  const drawn = new Map(); // element -> its figure as it came, without colours of the page
  const config = {
    responsive: true,
    displayModeBar: false, // it covers the legend; a double click shows everything again
  };
  let loading = null;

  /** Plotly, fetched when the first figure is drawn; reports bring it along. */
  function plotly() {
    if (window.Plotly) return Promise.resolve(window.Plotly);
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = root.dataset.plotly;
      script.onload = () => resolve(window.Plotly);
      script.onerror = reject;
      document.head.append(script);
    });
    return loading;
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  /** The layout in the page's colours; zoom and hidden traces stay as they are when a figure is drawn again. */
  function themed(layout) {
    const style = getComputedStyle(root);
    const colour = name => style.getPropertyValue(name).trim();
    const lines = { gridcolor: colour("--grid"), zerolinecolor: colour("--grid"), linecolor: colour("--line") };
    const axis = own => ({ ...lines, automargin: true, ...own, title: { standoff: 8, ...own?.title, font: { size: 13 } } });
    return {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.fontFamily, size: 13, color: colour("--soft") },
      hoverlabel: { bgcolor: colour("--raised"), bordercolor: colour("--line"), font: { color: colour("--text") } },
      xaxis: axis(layout.xaxis),
      yaxis: axis(layout.yaxis),
      annotations: layout.annotations?.map(each => ({ ...each, bgcolor: colour("--raised") })),
      uirevision: "the same",
    };
  }

  async function draw(element, figure, label) {
    element.hidden = false;
    element.setAttribute("aria-label", label);
    element.style.minHeight = `${figure.layout.height}px`; // before Plotly is there: nothing jumps
    const isFirst = !drawn.has(element);
    drawn.set(element, figure);
    const library = await plotly();
    await library.react(element, figure.data, themed(figure.layout), config);
    if (isFirst) element.on("plotly_click", event => element.dispatchEvent(new CustomEvent("trial", {
      bubbles: true, detail: event.points[0].customdata,
    })));
  }

  function redraw() {
    for (const [element, figure] of drawn) window.Plotly?.react(element, figure.data, themed(figure.layout), config);
  }

  function toggle() {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("metahp-theme", root.dataset.theme); } catch { /* then for this page alone */ }
    redraw();
  }

  /** Copies code, or marks it where the browser does not let us. */
  async function copy(button) {
    const code = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    } catch {
      getSelection().selectAllChildren(code);
    }
  }

  document.addEventListener("click", event => {
    const button = event.target.closest("button[data-copy]");
    if (button) copy(button);
  });
  document.getElementById("theme")?.addEventListener("click", toggle);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  for (const element of document.querySelectorAll("figure[data-figure]")) { // a report's
    const figure = JSON.parse(document.getElementById(element.dataset.figure).textContent);
    draw(element, figure, element.getAttribute("aria-label"));
  }
  return { draw };
})();
