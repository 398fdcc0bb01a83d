// Curves: says the values of all of them at the place where the pointer is.
const REACH = Infinity;
const UPRIGHT = false; // up and down scroll the page

const formatted = (value) => {
  if (value === null || value === undefined) return "?";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2).replace("-0.00", "0.00");
};
const filled = (text, row) => text.replace(/\{(\w+)\}/g, (_, field) => formatted(row[field]));
const matches = (row, where = {}) => Object.entries(where).every(([k, v]) => row[k] === v);

/** A value in a cell; without an interval there is nothing to say. */
function cell(column, row) {
  const known = row && [...column.text.matchAll(/\{(\w+)\}/g)].every(([, f]) => row[f] !== null);
  return made("td", known ? filled(column.text, row) : "-", { class: "number" });
}

function table(panel, rows) {
  const { row: by, columns } = panel.readout;
  const result = made("table");
  const head = result.createTHead().insertRow();
  head.append(made("th", by), ...columns.map(({ title }) => made("th", title, { class: "number" })));
  for (const value of new Set(rows.map((row) => row[by]))) {
    const line = result.insertRow();
    const name = made("th", "", { scope: "row" });
    const swatch = document.querySelector(`[data-key="${CSS.escape(`${by}:${value}`)}"] svg`);
    name.append(...(swatch ? [swatch.cloneNode(true)] : []), String(value));
    const own = rows.filter((row) => row[by] === value);
    line.append(name, ...columns.map((c) => cell(c, own.find((row) => matches(row, c.where)))));
  }
  return result;
}

/** Places of the panel that have values, with their pixels from its left edge. */
function places(panel) {
  const { x } = panel.readout;
  const scale = panel.view.scale("x");
  const values = [...new Set(shown(panel).map((row) => row[x]))].sort((a, b) => a - b);
  const { left } = origin(panel);
  return values.map((value) => ({ key: value, left: left + scale(value) }))
    .filter(({ left: pixel }) => Number.isFinite(pixel));
}

const distance = (place, x) => Math.abs(place.left - x);

function say(panel, place) {
  const { readout, view } = panel;
  const rows = shown(panel).filter((row) => row[readout.x] === place.key);
  const corner = origin(panel);
  const height = `${view.height()}px`;
  mark(panel, "line", { left: `${place.left}px`, top: `${corner.top}px`, height });
  for (const row of rows) {
    const key = document.querySelector(`[data-key="${CSS.escape(`${readout.row}:${row[readout.row]}`)}"]`);
    mark(panel, "spot", {
      left: `${corner.left + view.scale("x")(row[readout.at])}px`,
      top: `${corner.top + view.scale("y")(row.mean)}px`,
      background: key?.dataset.colour ?? "currentcolor",
    });
  }
  const head = made("strong", filled(readout.head, rows[0]));
  fill(panel, [head, table(panel, rows)], { left: place.left, top: corner.top + 6, gap: 14 });
}
