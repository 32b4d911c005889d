// What a page needs beyond HTML: ages that tick, refreshing without a jump, sort and filter, theme, keys. No framework, no eval.

import { restoreTables, wireTables } from "./tables.js";

const root = document.documentElement;
const REFRESH = 5000;
const STALE = Number(root.dataset.pollSeconds || 10) * 2000;
const SIZES = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const FORMS = {
  time: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  minute: { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" },
  date: { day: "2-digit", month: "short", year: "numeric" },
};
const TYPED = "input[type=datetime-local]";
const live = () => document.getElementById("live");

// ---- time: ages by the server's clock, moments in the person's zone (UTC stays in the title) ----
let ahead = Date.parse(root.dataset.now) - Date.now() || 0;
const now = () => Date.now() + ahead;

function ago(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [size, unit] = SIZES.find(([length]) => seconds >= length) || [1, "s"];
  return `${Math.floor(seconds / size)}\u00a0${unit}`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const time of document.querySelectorAll("time.age")) setText(time, `${ago(now() - Date.parse(time.dateTime))} ago`);
  for (const time of document.querySelectorAll("time.left")) {
    const left = Math.ceil((Date.parse(time.dateTime) - now()) / 1000), size = Math.abs(left);
    const length = size < 60 ? `${size}\u00a0s` : `${Math.floor(size / 60)}\u00a0min ${size % 60}\u00a0s`;
    setText(time, left >= 0 ? `${length} ${time.dataset.left}` : `${length} ${time.dataset.over}`);
    time.classList.toggle("ink-fail", left < 0);
  }
  const taken = Date.parse(live()?.dataset.at);
  const shown = document.querySelector("[data-live-age]");
  if (shown) setText(shown, taken ? `${ago(now() - taken)} ago` : "never");
  root.toggleAttribute("data-old", Boolean(live()?.dataset.at) && now() - taken > STALE + REFRESH);
}

function localise(within) {
  for (const time of within.querySelectorAll("time.moment[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) setText(time, new Intl.DateTimeFormat("en-GB", { ...FORMS[time.dataset.form] }).format(at));
  }
  for (const input of within.querySelectorAll(TYPED)) {
    const at = new Date(input.dataset.moment ?? "");
    if (!Number.isNaN(at.getTime())) input.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    delete input.dataset.moment; // what is typed afterwards stays
  }
  for (const zone of within.querySelectorAll("[data-zone]")) setText(zone, `(${Intl.DateTimeFormat().resolvedOptions().timeZone})`);
}

function sendWithZone({ target: form, formData }) {
  for (const input of form.querySelectorAll(TYPED)) {
    if (input.name && input.value) formData.set(input.name, new Date(input.value).toISOString());
  }
}

// ---- refreshing: asks every few seconds while somebody can see it; nothing the person did is lost ----
let paused = sessionStorage.getItem("paused") === "yes";
let kept = null;

const selecting = () => {
  const selection = getSelection();
  return selection && !selection.isCollapsed && live()?.contains(selection.anchorNode);
};

function refresh() {
  if (live() && !paused && !document.hidden && !selecting() && !live().matches(".htmx-request")) htmx.trigger(live(), "refresh");
  if (!paused && !document.hidden) for (const list of document.querySelectorAll("[data-follow]:not(.htmx-request)")) htmx.trigger(list, "refresh");
}

function showPause() {
  root.toggleAttribute("data-paused", paused);
  for (const button of document.querySelectorAll("[data-action=pause]")) {
    button.textContent = paused ? button.dataset.off : button.dataset.on;
    button.setAttribute("aria-pressed", String(paused));
  }
}

function setLost(lost) {
  const was = root.dataset.connection === "lost";
  if (lost === was) return;
  const notice = document.querySelector(".connection");
  if (!notice) return;
  notice.hidden = !lost;
  if (!lost) return delete root.dataset.connection;
  root.dataset.connection = "lost";
  const time = notice.querySelector("time");
  time.dateTime = live()?.dataset.at || new Date(now()).toISOString();
  localise(notice);
}

function keyOf(element) {
  if (!element || element === document.body) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const owner = element.closest("[id]");
  const href = element.getAttribute("href");
  if (element.matches("summary") && element.parentElement.id) return `#${CSS.escape(element.parentElement.id)} > summary`;
  return owner && href ? `#${CSS.escape(owner.id)} [href="${CSS.escape(href)}"]` : null;
}

function keep() {
  const region = live();
  if (!region) return;
  kept = {
    open: [...region.querySelectorAll("details[id][open]")].map((details) => details.id),
    scrolled: [...document.querySelectorAll(".scroll[id]")].map((box) => [box.id, box.scrollTop, box.scrollLeft]),
    focus: keyOf(document.activeElement),
    top: scrollY,
  };
}

function restore() {
  const region = live();
  if (!region || !kept) return;
  for (const id of kept.open) document.getElementById(id)?.setAttribute("open", "");
  restoreTables(region);
  for (const [id, top, left] of kept.scrolled) document.getElementById(id)?.scrollTo(left, top);
  const focused = kept.focus && document.querySelector(kept.focus);
  if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
  if (Math.abs(scrollY - kept.top) > 1) scrollTo({ top: kept.top, behavior: "instant" });
  kept = null;
}

function wireHtmx() {
  const body = document.body;
  body.addEventListener("htmx:configRequest", (event) => {
    const token = document.querySelector("meta[name=csrf-token]");
    if (token && event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token.content;
  });
  body.addEventListener("htmx:beforeSwap", (event) => event.detail.target?.id === "live" && keep());
  let answered = ""; // the line of a list that was worked on from within: who ticks by keyboard keeps the place
  body.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
    if (target?.matches("li[id]")) answered = target.contains(document.activeElement) || document.activeElement === body ? target.id : "";
  });
  body.addEventListener("htmx:oobBeforeSwap", ({ detail: { target } }) => {
    if (target?.matches("li[id]") && target.contains(document.activeElement)) answered ||= target.id;
  });
  body.addEventListener("htmx:afterSettle", () => {
    const line = answered && document.getElementById(answered);
    if (line && !line.contains(document.activeElement)) {
      line.tabIndex = -1;
      line.focus({ preventScroll: true });
    }
    answered = "";
  });
  body.addEventListener("htmx:afterSwap", () => {
    restore();
    localise(document);
    tick();
    document.dispatchEvent(new Event("figures"));
  });
  body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt?.id !== "live") return;
    const { status } = event.detail.xhr;
    const date = event.detail.xhr.getResponseHeader?.("Date");
    if (date && Math.abs(Date.parse(date) - now()) > 3000) ahead = Date.parse(date) - Date.now();
    setLost(!(status >= 200 && status < 400));
  });
}

// ---- what a person does: menus, theme, pause, range, keys ----
const effective = () => root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

const ACTIONS = {
  theme() {
    root.dataset.theme = effective() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // not remembered where storage is forbidden
    }
    document.dispatchEvent(new Event("figures"));
  },
  pause() {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "yes" : "no");
    showPause();
    refresh();
  },
  print() {
    window.print();
  },
};

function wireActions() {
  document.addEventListener("formdata", sendWithZone);
  document.addEventListener("click", (event) => {
    ACTIONS[event.target.closest("[data-action]")?.dataset.action]?.();
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    const row = event.target.closest("a[href^='#check-']") && document.getElementById(event.target.closest("a").hash.slice(1));
    row?.querySelector("details")?.setAttribute("open", "");
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-action=range]") && event.target.value) event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const filter = document.querySelector("input[type=search]");
    if (filter) {
      event.preventDefault();
      filter.focus();
      filter.select();
    }
  });
}

wireHtmx();
wireActions();
wireTables();
localise(document);
showPause();
tick();
for (const pill of document.querySelectorAll(".live-pill")) pill.hidden = !live();
setInterval(tick, 1000);
setInterval(refresh, REFRESH);
document.addEventListener("visibilitychange", refresh);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("figures")));
