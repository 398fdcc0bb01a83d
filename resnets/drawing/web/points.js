// Says what stands nearest to the pointer; arrow keys go from place to place, Escape leaves them.

function made(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** The places that are on show, with their pixels from the corner of the panel. */
function places(panel) {
  const { view, element } = panel;
  const drawing = element.querySelector(".drawing");
  const [left, top] = view.origin();
  const padding = view.padding();
  const kept = (place) => Object.entries(panel.switches).every(
    ([field, name]) => !state.hidden.has(`${name}:${place[field]}`));
  const along = (name, value) => {
    const scale = view.scale(name);
    return scale(value) + (scale.bandwidth ? scale.bandwidth() / 2 : 0);
  };
  return panel.places.filter(kept).map((place) => ({
    ...place,
    row: place.x === null,
    left: drawing.offsetLeft + left + padding.left + (place.x === null ? 0 : along("x", place.x)),
    top: drawing.offsetTop + top + padding.top + along("y", place.y),
  }));
}

function clear(panel) {
  panel.place = undefined;
  panel.element.querySelectorAll(".ring, .line").forEach((element) => element.remove());
  panel.element.querySelector(".readout").hidden = true;
}

function show(panel, place, at = place.left) {
  clear(panel);
  panel.place = place.head;
  const { element } = panel;
  if (!place.row) {
    const ring = made("div", "", { class: "ring" });
    Object.assign(ring.style, { left: `${place.left}px`, top: `${place.top}px` });
    element.append(ring);
  }
  const box = element.querySelector(".readout");
  const table = made("table");
  for (const [name, value] of place.lines) {
    const line = table.insertRow();
    line.append(made("th", name, { scope: "row" }), made("td", value, { class: "number" }));
  }
  box.replaceChildren(made("strong", place.head), table);
  box.hidden = false;
  const room = element.clientWidth - box.offsetWidth;
  const right = at + 16;
  box.style.left = `${Math.max(0, right <= room ? right : at - 16 - box.offsetWidth)}px`;
  box.style.top = `${Math.max(0, Math.min(place.top + 12, element.clientHeight - box.offsetHeight))}px`;
}

function answer(panel) {
  const { element } = panel;
  const near = (event) => {
    const corner = element.getBoundingClientRect();
    const [x, y] = [event.clientX - corner.left, event.clientY - corner.top];
    const found = places(panel);
    if (!found.length) return clear(panel);
    const distance = (place) => Math.hypot(place.row ? 0 : place.left - x, place.top - y);
    const place = found.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    if (distance(place) > 60) return clear(panel);
    show(panel, place, place.row ? x : place.left);
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
    const now = found.findIndex(({ head }) => head === panel.place);
    const forward = Math.min(now + 1, last);
    const back = now < 0 ? last : Math.max(now - 1, 0);
    const next = {
      ArrowRight: forward, ArrowDown: forward, ArrowLeft: back, ArrowUp: back, Home: 0, End: last,
    }[event.key];
    if (next === undefined || last < 0) return;
    event.preventDefault();
    show(panel, found[next], found[next].row ? 40 : found[next].left);
    document.getElementById("said").textContent = element.querySelector(".readout").innerText;
  });
}
