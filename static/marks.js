// Marks on a chart, gathered as its width allows: great ones (rollouts, runs, signatures) keep their words, small ones where room is left.

const NEAR = 12; // pixels within which marks are one
const ROWS = 3; // of labels above the lines
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

// One mark for those that would stand within a few pixels; it stands at the first great one.
export function gather(marks, placeOf) {
  const groups = [];
  for (const mark of [...marks].sort((a, b) => a.at - b.at)) {
    const last = groups.at(-1);
    if (last && placeOf(mark.at) - placeOf(last[0].at) < NEAR) last.push(mark);
    else groups.push([mark]);
  }
  return groups.map((group) => groupOf(group, placeOf));
}

function groupOf(marks, placeOf) {
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
  const starts = [group.x - 2, group.x + 4 - width].map((start) => Math.max(bounds[0], Math.min(start, bounds[1] - width)));
  for (let row = 0; row < rows; row += 1) {
    const free = (from, to, at) => !taken[at].some((one) => one.group !== group && meets(one.span, from, to));
    const start = starts.find((from) => free(from, from + width, row));
    const clear = [...Array(row).keys()].every((below) => free(group.x - 3, group.x + 3, below));
    if (start === undefined || !clear) continue;
    taken[row].push({ group, span: [start, start + width] });
    for (let below = 0; below < row; below += 1) taken[below].push({ group, span: [group.x - 3, group.x + 3] });
    return { row, start };
  }
  return null;
}

function placed(groups, bounds) {
  const taken = Array.from({ length: ROWS }, () => []);
  for (const group of groups) taken[0].push({ group, span: [group.x - 6, group.x - 6 + widthOf(sign(group))] });
  const found = new Map();
  for (const group of groups.filter((one) => one.great).reverse()) {
    const where = place(group, taken, bounds, ROWS);
    if (!where) return { crowded: group };
    found.set(group, where);
  }
  for (const group of groups.filter((one) => !one.great)) found.set(group, place(group, taken, bounds, 1));
  return { found };
}

const sign = ({ marks }) => (marks.length > 1 ? `▾${marks.length}` : "▾");

// Lines, labels and how many rows these take; `groups` for the table. Where great ones find no room, neighbours become one.
export function laid(marks, range, width, room, font) {
  pen.font = `11px ${font}`;
  const [from, to] = range;
  const placeOf = (at) => ((at - from) / (to - from)) * width;
  let groups = gather(marks.filter(({ at }) => at >= from && at <= to), placeOf);
  let result = placed(groups, [-room.left, width + room.right]);
  while (result.crowded && groups.length > 1) {
    const index = groups.indexOf(result.crowded);
    const first = index < groups.length - 1 ? index : index - 1;
    groups = groups.toSpliced(first, 2, groupOf([...groups[first].marks, ...groups[first + 1].marks], placeOf));
    result = placed(groups, [-room.left, width + room.right]);
  }
  const where = (group) => result.found?.get(group) ?? null;
  const rows = groups.length ? 1 + Math.max(0, ...groups.map((group) => where(group)?.row ?? 0)) : 0;
  return { groups, rows, lines: groups.map((group) => lineOf(group, where(group)?.row ?? 0)), labels: groups.map((group) => labelAt(group, where(group), width)) };
}

const lineOf = ({ at, state }, row) => ({ at, state, rise: row * ROW });

function labelAt(group, where, width) {
  return {
    name: `mark-${group.state}`, xref: "paper", x: (where ? where.start : group.x - 6) / width, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom",
    yshift: (where?.row ?? 0) * ROW, text: escaped(where ? group.label : sign(group)), showarrow: false, borderpad: 0, hovertext: hover(group),
  };
}
