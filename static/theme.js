// Sets the theme a person chose before anything is painted; loaded by the head, without it the system's choice holds.
"use strict";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // storage may be forbidden: then the system's choice holds
}
