// Draws every `.chart` from its JSON island with Plotly: theme, local time, shared range and crosshair, figures as a table.

import { count, laid, ROW } from "./marks.js";

const CONFIG = { displayModeBar: false, showSendToCloud: false, plotlyServerURL: "", displaylogo: false, responsive: true, doubleClick: false,
  showAxisDragHandles: false };
const POINTS_IN_TABLE = 120;
const FONT = "Inter, system-ui, sans-serif";

const island = (id) => document.querySelector(`script[data-figure="${CSS.escape(id)}"]`);
const charts = () => [...document.querySelectorAll(".chart")];

// ---- theme: colours come from the style sheet, resolved for the present theme ----
function palette() {
  const swatch = document.createElement("span");
  document.body.append(swatch);
  const of = (name) => {
    swatch.style.color = `var(--${name})`;
    return getComputedStyle(swatch).color;
  };
  const names = ["ink", "quiet", "line", "card", "warn", "fail", "edge", ...Array.from({ length: 8 }, (_, n) => `series-${n}`)];
  const found = Object.fromEntries(names.map((name) => [name, of(name)]));
  swatch.remove();
  return found;
}

// ---- time: a number is a moment to Plotly, which writes it in the browser's zone; what it hands back is a text in that zone ----
const unshift = (text) => {
  const [date, time = "00:00:00"] = String(text).split(/[ T]/);
  const [year, month, day] = date.split("-").map(Number);
  const [hour, minute, second = 0] = time.split(":").map(Number);
  return new Date(year, month - 1, day, hour, minute, second);
};

function coloured(trace, colours) {
  const colour = colours[`series-${trace.meta.colour}`];
  return { ...trace, line: { ...trace.line, color: colour }, hoverlabel: { font: { color: colour, family: FONT } } };
}

const NARROW = 480;
const LEFT = 56, HEAD = 18, FOOT = 34;
const gathered = new Map(); // the marks of each chart as they were drawn last

// The room right of the lines, the same for all charts of a page, so that their times stand one above the other.
function roomForLabels(figures) {
  const labels = figures.flatMap((figure) => figure.layout.annotations.filter((label) => label.name.startsWith("end-")));
  return Math.min(22 + 6.3 * Math.max(6, ...labels.map((label) => label.text.replace(/&\w+;/g, " ").length)), 180);
}

// Where a phone has no room for a whole label, its name is cut and not its figure, the last word.
function fitting(text, room) {
  const end = text.lastIndexOf(" "), letters = text.slice(0, end).match(/&#?\w+;|./gu) ?? [];
  const most = Math.max(3, Math.floor((room - 12) / 6.3) - (text.length - end));
  return letters.length > most ? `${letters.slice(0, most - 1).join("").trimEnd()}…${text.slice(end)}` : text;
}

function laidOut(chart, layout, colours, wanted) {
  const width = chart.clientWidth, height = chart.clientHeight;
  const colourOf = (name) => colours[name.startsWith("end-") ? `series-${name.slice(4)}` : name.replace(/^mark-/, "")] || colours.quiet;
  const room = Math.min(wanted, width < NARROW ? width * 0.3 : wanted);
  const ends = layout.annotations.map((label) => (room < wanted && label.name.startsWith("end-") ? { ...label, text: fitting(label.text, room) } : label));
  const marks = laid(layout.meta.marks, layout.xaxis.range, width - LEFT - room, { left: LEFT - 4, right: room - 4 }, FONT);
  gathered.set(chart.id, marks.groups);
  const head = Math.max(HEAD, 6 + marks.rows * ROW);
  const rise = (pixels) => 1 + pixels / (height - head - FOOT);
  const lines = marks.lines.map((mark) => ({ type: "line", xref: "x", x0: mark.at, x1: mark.at, yref: "paper", y0: 0, y1: rise(mark.rise),
    layer: "below", line: { width: 1, dash: "dot", color: colourOf(mark.state) } }));
  return {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: FONT, size: 11, color: colours.quiet },
    margin: { l: LEFT, t: head, b: FOOT, r: room },
    hoverlabel: { bgcolor: colours.card, bordercolor: colours.line, font: { size: 12, family: FONT } },
    xaxis: { ...layout.xaxis, showgrid: false, zeroline: false, linecolor: colours.line,
      nticks: width < NARROW ? 3 : 6, tickangle: 0,
      showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "dot", spikecolor: colours.quiet, spikesnap: "cursor",
      hoverformat: "%H:%M:%S" },
    yaxis: { ...layout.yaxis, gridcolor: colours.line, linecolor: "rgba(0,0,0,0)" },
    shapes: [...lines, ...layout.shapes.map((line) => ({ ...line, line: { ...line.line, color: colourOf(line.name) } }))],
    annotations: [...ends, ...marks.labels].map((label) => ({ ...label,
      font: { size: 11, color: colourOf(label.name), weight: label.name.startsWith("end-") ? 600 : 400 },
      hoverlabel: { bgcolor: colours.card, bordercolor: colours.line, font: { size: 12, family: FONT, color: colours.ink } } })),
  };
}

function draw() {
  if (!window.Plotly) return;
  const colours = palette();
  const found = charts().map((chart) => [chart, island(chart.id)]).filter(([, source]) => source);
  const figures = found.map(([, source]) => JSON.parse(source.textContent));
  const room = roomForLabels(figures);
  found.forEach(([chart], index) => {
    const { data, layout } = figures[index];
    const fresh = !chart.classList.contains("js-plotly-plot");
    Plotly.react(chart, data.map((trace) => coloured(trace, colours)), laidOut(chart, layout, colours, room), CONFIG);
    if (fresh) wire(chart);
  });
  for (const details of document.querySelectorAll("details[data-figures][open]")) tabulate(details);
}

// ---- one range for all charts, kept in the address ----
function show(from, to) {
  const query = new URLSearchParams({ from: from.toISOString().slice(0, 19) + "Z", to: to.toISOString().slice(0, 19) + "Z" });
  history.pushState(null, "", `?${query}`);
  const select = document.getElementById("range");
  if (select) {
    const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
    select.querySelector("option[value='']")?.remove();
    select.prepend(new Option(`${clock.format(from)}–${clock.format(to)}`, "", true, true));
  }
  htmx.ajax("GET", `${location.pathname}?${query}`, { target: "#live", swap: "outerHTML", source: "#live" });
}

function wire(chart) {
  chart.on("plotly_relayout", (change) => {
    const from = change["xaxis.range[0]"];
    if (from !== undefined) show(unshift(from), unshift(change["xaxis.range[1]"]));
  });
  chart.on("plotly_doubleclick", () => location.assign(location.pathname));
  chart.on("plotly_hover", (event) => cross(chart, event));
  chart.on("plotly_unhover", (event) => {
    if (event.event) for (const other of charts()) if (other !== chart && other._fullLayout) Plotly.Fx.unhover(other);
  });
}

// ---- one crosshair for all charts ----
function cross(chart, event) {
  if (!event.event || !event.xvals) return; // made by another chart
  const at = Date.parse(`${String(event.xvals[0]).replace(" ", "T")}Z`); // the zone's wall clock, which Plotly counts as if it were UTC
  for (const other of charts()) {
    if (other === chart || !other._fullLayout) continue;
    Plotly.Fx.hover(other, { xval: at, yval: 0, xpx: other._fullLayout.xaxis.c2p(at) });
  }
}

const inWords = (marks, clock) => (marks.length === 1 ? marks[0].text
  : `${count(marks)}. ${marks.map(({ at, text }) => `${clock.format(at)} ${text}`).join(" · ")}`);

// ---- the figures as a table, made when somebody opens it ----
function tabulate(details) {
  const figure = JSON.parse(island(details.dataset.figures)?.textContent || '{"data":[]}');
  const clock = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const groups = gathered.get(details.dataset.figures) ?? (figure.layout?.meta?.marks ?? []).map((mark) => ({ at: mark.at, marks: [mark] }));
  const marks = groups.map(({ at, marks: told }) => [at, inWords(told, clock)]);
  const points = [...new Set(figure.data.flatMap((trace) => trace.x))].sort((a, b) => b - a).slice(0, POINTS_IN_TABLE);
  const moments = [...points.map((at) => [at, null]), ...marks].sort(([a], [b]) => b - a);
  const values = figure.data.map((trace) => new Map(trace.x.map((at, index) => [at, trace.y[index]])));
  const unit = figure.layout?.yaxis?.ticksuffix ?? "";
  const ratio = figure.layout?.yaxis?.tickformat === ".0%";
  const write = (value) => (value == null ? "–" : ratio ? `${(value * 100).toFixed(1)}\u00a0%` : `${Number(value.toPrecision(4))}${unit}`);

  const table = document.createElement("table");
  table.className = "data";
  const head = table.createTHead().insertRow();
  for (const name of ["Time", ...figure.data.map((trace) => trace.meta.label)]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    if (name !== "Time") cell.className = "num";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const [at, told] of moments) {
    const row = body.insertRow();
    row.insertCell().textContent = clock.format(at);
    if (told) {
      const cell = row.insertCell();
      cell.colSpan = figure.data.length;
      cell.className = "marked";
      cell.textContent = told;
      continue;
    }
    for (const known of values) {
      const cell = row.insertCell();
      cell.className = "num";
      cell.textContent = write(known.get(at));
    }
  }
  let box = details.querySelector(".scroll");
  const top = box?.scrollTop ?? 0;
  if (!box) {
    box = document.createElement("div");
    box.className = "scroll";
    box.tabIndex = 0;
    details.append(box);
  }
  box.replaceChildren(table);
  box.scrollTop = top;
}

let resized = 0;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(draw, 200); // what has room depends on the width
});
matchMedia("print").addEventListener("change", (print) => {
  draw(); // black on white, and back
  for (const svg of document.querySelectorAll(".chart .main-svg")) {
    if (print.matches) svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`); // the style sheet fits it to the paper
    else svg.removeAttribute("viewBox");
  }
});
document.addEventListener("figures", draw);
document.addEventListener("toggle", (event) => event.target.matches("details[data-figures][open]") && tabulate(event.target), true);
document.body.addEventListener("htmx:beforeCleanupElement", (event) => {
  if (event.target.classList?.contains("js-plotly-plot")) Plotly.purge(event.target);
});
addEventListener("popstate", () => location.reload());
draw();
