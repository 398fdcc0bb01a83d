// Says the values at the place where the pointer is; arrow keys move the place, Escape leaves it.

const formatted = (value) => {
  if (value === null || value === undefined) return "?";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2).replace("-0.00", "0.00");
};
const filled = (text, row) => text.replace(/\{(\w+)\}/g, (_, field) => formatted(row[field]));
const matches = (row, where = {}) => Object.entries(where).every(([k, v]) => row[k] === v);

function made(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

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

/** Where the axes of a panel begin, pixels from the corner of its drawing. */
function origin(view) {
  const [left, top] = view.origin();
  return { left: left + view.padding().left, top: top + view.padding().top };
}

/** Places of the panel that have values, with their pixels from its left edge. */
function places(panel) {
  const { x } = panel.readout;
  const scale = panel.view.scale("x");
  const values = [...new Set(shown(panel).map((row) => row[x]))].sort((a, b) => a - b);
  return values.map((value) => ({ value, pixel: origin(panel.view).left + scale(value) }))
    .filter(({ pixel }) => Number.isFinite(pixel));
}

function clear(panel) {
  panel.place = undefined;
  panel.element.querySelectorAll(".line, .spot").forEach((element) => element.remove());
  panel.element.querySelector(".readout").hidden = true;
}

function show(panel, place) {
  clear(panel);
  panel.place = place.value;
  const { readout, view, element } = panel;
  const rows = shown(panel).filter((row) => row[readout.x] === place.value);
  const drawing = element.querySelector(".drawing");
  const corner = origin(view);
  const top = drawing.offsetTop + corner.top;
  const line = made("div", "", { class: "line" });
  Object.assign(line.style, { left: `${place.pixel}px`, top: `${top}px`, height: `${view.height()}px` });
  element.append(line);
  for (const row of rows) {
    const spot = made("div", "", { class: "spot" });
    const key = document.querySelector(`[data-key="${CSS.escape(`${readout.row}:${row[readout.row]}`)}"]`);
    const left = corner.left + view.scale("x")(row[readout.at]);
    Object.assign(spot.style, {
      left: `${left}px`, top: `${top + view.scale("y")(row.mean)}px`,
      background: key?.dataset.colour ?? "currentcolor",
    });
    element.append(spot);
  }
  const box = element.querySelector(".readout");
  box.replaceChildren(made("strong", filled(readout.head, rows[0])), table(panel, rows));
  box.hidden = false;
  const room = element.clientWidth - box.offsetWidth;
  const right = place.pixel + 14;
  box.style.left = `${Math.max(0, right <= room ? right : Math.min(room, place.pixel - 14 - box.offsetWidth))}px`;
  box.style.top = `${top + 6}px`;
}

function answer(panel) {
  const { element } = panel;
  const near = (event) => {
    const pixel = event.clientX - element.getBoundingClientRect().left;
    const found = places(panel);
    if (!found.length) return clear(panel);
    show(panel, found.reduce((a, b) => (Math.abs(b.pixel - pixel) < Math.abs(a.pixel - pixel) ? b : a)));
  };
  element.addEventListener("pointermove", near);
  element.addEventListener("pointerdown", near);
  element.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") clear(panel); // a finger that lifts has left, too
  });
  addEventListener("pointerdown", ({ target }) => {
    if (!element.contains(target)) clear(panel);
  });
  element.addEventListener("blur", () => clear(panel));
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear(panel);
    const found = places(panel);
    const last = found.length - 1;
    const now = found.findIndex(({ value }) => value === panel.place);
    const next = {
      ArrowRight: Math.min(now + 1, last),
      ArrowLeft: now < 0 ? last : Math.max(now - 1, 0),
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined || last < 0) return;
    event.preventDefault();
    show(panel, found[next]);
    document.getElementById("said").textContent = element.querySelector(".readout").innerText;
  });
}
