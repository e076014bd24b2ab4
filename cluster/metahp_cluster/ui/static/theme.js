// Before anything is drawn: the theme somebody chose, else the system's.
"use strict";
try {
  const chosen = localStorage.getItem("metahp-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* a browser that keeps nothing: the system's */ }
