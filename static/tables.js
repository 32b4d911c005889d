// Sort and filter of `table[data-sortable]`, and evidence that opens as a row of its own; all of it survives a refresh.

const orders = new Map(); // table id -> { column, descending }

const own = (table) => [...table.tBodies[0].rows].filter((row) => !row.classList.contains("inner"));

function keyOf(row, column, numeric) {
  const cell = row.cells[column];
  const key = cell?.dataset.sort ?? cell?.textContent.trim().toLocaleLowerCase() ?? "";
  if (!numeric) return key;
  return key === "" ? Number.NEGATIVE_INFINITY : Number(key);
}

function sort(table) {
  const order = orders.get(table.id);
  if (!order) return;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    if (index === order.column) head.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
  const numeric = heads[order.column].classList.contains("num");
  const rows = own(table).map((row) => [keyOf(row, order.column, numeric), row, row.nextElementSibling]);
  rows.sort(([a], [b]) => (numeric ? a - b || 0 : a.localeCompare(b, undefined, { numeric: true })) * (order.descending ? -1 : 1));
  for (const [, row, next] of rows) {
    table.tBodies[0].append(row);
    if (next?.classList.contains("inner")) table.tBodies[0].append(next);
  }
}

function filter(input) {
  const table = document.getElementById(input.dataset.filter);
  if (!table?.tBodies.length) return;
  const words = input.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  for (const row of own(table)) {
    const shown = [...row.cells].filter((cell) => !cell.querySelector("details[data-row]"));
    const text = shown.map((cell) => cell.textContent).join(" ").toLocaleLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    if (row.nextElementSibling?.classList.contains("inner")) row.nextElementSibling.hidden = row.hidden;
  }
}

function wrapHeads(table) {
  for (const head of table.tHead.rows[0].cells) {
    if (head.dataset.unsorted !== undefined || head.querySelector("button")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
  }
}

// Evidence in a cell would squeeze its column: while open it stands in a row of its own below.
function place(details) {
  const row = details.closest("tr");
  const below = row.nextElementSibling?.classList.contains("inner") ? row.nextElementSibling : null;
  if (details.open && !below) {
    const inner = document.createElement("tr");
    inner.className = "inner";
    const cell = inner.insertCell();
    cell.colSpan = row.cells.length;
    cell.append(...[...details.children].filter((child) => child.tagName !== "SUMMARY"));
    row.after(inner);
  } else if (!details.open && below) {
    details.append(...below.cells[0].children);
    below.remove();
  }
}

// Whether columns lie beyond the right edge of a table's frame: said in its head, and the edge is shaded.
function markBeyond(box) {
  box.toggleAttribute("data-beyond", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
}

function markAll(within) {
  for (const box of within.querySelectorAll(".table-card > .scroll")) markBeyond(box);
}

export function restoreTables(within) {
  for (const table of within.querySelectorAll("table[data-sortable]")) {
    wrapHeads(table);
    for (const details of table.querySelectorAll("details[data-row][open]")) place(details);
    sort(table);
  }
  for (const input of within.querySelectorAll("input[data-filter]")) filter(input);
  markAll(within);
}

export function wireTables() {
  restoreTables(document);
  addEventListener("resize", () => markAll(document));
  document.addEventListener("scroll", (event) => event.target.matches?.(".table-card > .scroll") && markBeyond(event.target), true);
  document.addEventListener("click", (event) => {
    const head = event.target.closest("table[data-sortable] th");
    if (!head || !event.target.closest("button")) return;
    const table = head.closest("table");
    const before = orders.get(table.id);
    const first = head.classList.contains("num"); // numbers: the largest first
    const again = before?.column === head.cellIndex;
    orders.set(table.id, { column: head.cellIndex, descending: again ? !before.descending : first });
    sort(table);
  });
  document.addEventListener("input", (event) => event.target.matches("input[data-filter]") && filter(event.target));
  document.addEventListener("toggle", (event) => event.target.matches("details[data-row]") && place(event.target), true);
}
