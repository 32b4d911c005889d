// Marks on a chart, gathered as its width allows: great ones (rollouts, runs, signatures) keep their words, small ones where room is left.

const NEAR = 34, SAME = 4; // pixels within which small marks are one, and great ones
const ROWS = 4; // of labels above the lines
export const ROW = 13; // pixels
const GAP = 8;
const LONGEST = 24, JOINED = 40; // characters of one label, and of two
const LISTED = 8, CUT = 100; // in the words that come up on hover
const WORST = ["fail", "warn", ""];

const pen = document.createElement("canvas").getContext("2d");
const widthOf = (text) => pen.measureText(text).width + GAP;
const clock = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text, most = LONGEST) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

// One mark for those that would stand within a few pixels. Small ones join a great one beside them, so that none hides its line.
function gather(marks, placeOf) {
  const sorted = [...marks].sort((a, b) => a.at - b.at);
  const great = runs(sorted.filter((mark) => !mark.small), SAME, placeOf);
  const alone = [];
  for (const mark of sorted.filter((one) => one.small)) {
    const beside = great.find(([first]) => Math.abs(placeOf(first.at) - placeOf(mark.at)) < NEAR / 2);
    (beside ?? alone).push(mark);
  }
  return [...great, ...runs(alone, NEAR, placeOf)].map((group) => groupOf(group, placeOf)).sort((a, b) => a.x - b.x);
}

function runs(marks, near, placeOf) {
  const groups = [];
  for (const mark of marks) {
    const first = groups.at(-1)?.[0];
    if (first && placeOf(mark.at) - placeOf(first.at) < near) groups.at(-1).push(mark);
    else groups.push([mark]);
  }
  return groups;
}

function groupOf(group, placeOf) {
  const marks = [...group].sort((a, b) => a.at - b.at);
  const great = marks.filter((mark) => !mark.small);
  const at = (great[0] ?? marks[0]).at;
  const state = WORST.find((one) => marks.some((mark) => mark.state === one)) ?? "";
  return { marks, at, state, great: great.length > 0, x: placeOf(at), label: labelOf(great.length ? great : marks, marks.length) };
}

function labelOf(told, all) {
  const both = told.slice(0, 2).map((mark) => short(mark.label)).join(" · ");
  const joined = told.length > 1 && !told[0].small && both.length <= JOINED;
  const left = all - (joined ? 2 : 1);
  return (joined ? both : short(told[0].label)) + (left ? ` +${left}` : "");
}

// ---- how many and of what ----
export function count(marks) {
  const kinds = new Map();
  for (const { of } of marks) kinds.set(of, (kinds.get(of) ?? 0) + 1);
  return `${marks.length} marks: ${[...kinds].map(([of, number]) => `${number} × ${of}`).join(", ")}`;
}

function hover({ marks }) {
  const lines = marks.slice(0, LISTED).map(({ at, text }) => `${clock.format(at)} ${short(text, CUT)}`);
  if (marks.length > LISTED) lines.push(`and ${marks.length - LISTED} more, in the figures below`);
  return [...(marks.length > 1 ? [count(marks)] : []), ...lines].map(escaped).join("<br>");
}

// ---- where labels stand: a great one in the lowest row where it covers nothing; its line goes up to it ----
const meets = ([from, to], start, end) => from < end && start < to;

function place(group, taken, bounds, rows) {
  const width = widthOf(group.label);
  const starts = [group.x - 2, ...(group.great ? [group.x + 4 - width] : [])].map((start) => Math.max(bounds[0], Math.min(start, bounds[1] - width)));
  const free = (from, to, at) => !taken[at].some((one) => one.group !== group && meets(one.span, from, to));
  const spots = starts.flatMap((start) => Array.from({ length: rows }, (_, row) => ({ row, start })));
  const under = (row) => taken.slice(0, row);
  const spot = spots.find(({ row, start }) => free(start, start + width, row) && under(row).every((_, below) => free(group.x - 3, group.x + 3, below)));
  if (!spot) return null;
  taken[spot.row].push({ group, span: [spot.start, spot.start + width] });
  for (const row of under(spot.row)) row.push({ group, span: [group.x - 3, group.x + 3] });
  return spot;
}

function placed(groups, bounds) {
  const taken = Array.from({ length: ROWS }, () => []);
  for (const group of groups) taken[0].push({ group, span: group.great ? [group.x - 3, group.x + 3] : [signAt(group), signAt(group) + widthOf(sign(group))] });
  const found = new Map();
  for (const group of groups.filter((one) => one.great).reverse()) { // from the right: each label passes over those before it
    const where = place(group, taken, bounds, ROWS);
    if (!where) return { found, crowded: group };
    found.set(group, where);
  }
  for (const group of groups.filter((one) => !one.great)) found.set(group, place(group, taken, bounds, 1));
  return { found };
}

const signAt = (group) => group.x - widthOf(sign(group)) / 2;
const sign = ({ marks }) => (marks.length > 1 ? `▾${marks.length}` : "▾");

// Lines, labels and how many rows these take; `groups` for the table. Where great ones find no room, neighbours become one.
export function laid(marks, range, width, room, font) {
  pen.font = `11px ${font}`;
  const [from, to] = range;
  const placeOf = (at) => ((at - from) / (to - from)) * width;
  let groups = gather(marks.filter(({ at }) => at >= from && at <= to), placeOf);
  let result = placed(groups, [-room.left, width + room.right]);
  while (result.crowded) {
    const great = groups.filter((group) => group.great), index = great.indexOf(result.crowded);
    if (great.length < 2) break;
    const two = index ? [great[index - 1], great[index]] : [great[0], great[1]];
    groups = groups.filter((group) => group !== two[1]).map((group) => (group === two[0] ? groupOf(two.flatMap(({ marks: all }) => all), placeOf) : group));
    result = placed(groups, [-room.left, width + room.right]);
  }
  const where = (group) => result.found.get(group) ?? null;
  const rows = groups.length ? 1 + Math.max(0, ...groups.map((group) => where(group)?.row ?? 0)) : 0;
  return { groups, rows, lines: groups.map((group) => lineOf(group, where(group)?.row ?? 0)), labels: groups.map((group) => labelAt(group, where(group), width)) };
}

const lineOf = ({ at, state }, row) => ({ at, state, rise: row * ROW });

function labelAt(group, where, width) {
  return {
    name: `mark-${group.state}`, xref: "paper", x: (where ? where.start : signAt(group) + GAP / 2) / width, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom",
    yshift: (where?.row ?? 0) * ROW, text: escaped(where ? group.label : sign(group)), showarrow: false, borderpad: 0, hovertext: hover(group),
  };
}
