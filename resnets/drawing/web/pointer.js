// Finds the place of a panel that is nearest to the pointer; arrow keys go from place to place, Escape
// leaves them. What a panel's places are and what is said of one is its page's: `places`, `distance`,
// `say`, how far one reaches (REACH, pixels) and whether keys go up and down, too (UPRIGHT).

function made(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Where the axes of a panel begin, pixels from the corner of the panel. */
function origin({ view, element }) {
  const drawing = element.querySelector(".drawing");
  const [left, top] = view.origin();
  const padding = view.padding();
  return {
    left: drawing.offsetLeft + left + padding.left,
    top: drawing.offsetTop + top + padding.top,
  };
}

function mark(panel, kind, style) {
  const element = made("div", "", { class: `mark ${kind}` });
  Object.assign(element.style, style);
  panel.element.append(element);
}

function clear(panel) {
  panel.place = undefined;
  panel.element.querySelectorAll(".mark").forEach((element) => element.remove());
  panel.element.querySelector(".readout").hidden = true;
}

/** Fill the box and put it beside a place, on the side that has room. */
function fill(panel, children, { left, top, gap }) {
  const { element } = panel;
  const box = element.querySelector(".readout");
  box.replaceChildren(...children);
  box.hidden = false;
  const room = element.clientWidth - box.offsetWidth;
  const right = left + gap;
  const beside = right <= room ? right : Math.min(room, left - gap - box.offsetWidth);
  box.style.left = `${Math.max(0, beside)}px`;
  box.style.top = `${Math.max(0, Math.min(top, element.clientHeight - box.offsetHeight))}px`;
}

function show(panel, place, x) {
  clear(panel);
  panel.place = place.key;
  say(panel, place, x);
}

/** The place that a key goes to; undefined if the key goes nowhere. */
function reached(panel, found, key) {
  const last = found.length - 1;
  const now = found.findIndex((place) => place.key === panel.place);
  const forward = Math.min(now + 1, last);
  const back = now < 0 ? last : Math.max(now - 1, 0);
  const sideways = { ArrowRight: forward, ArrowLeft: back, Home: 0, End: last };
  return found[(UPRIGHT ? { ...sideways, ArrowDown: forward, ArrowUp: back } : sideways)[key]];
}

function answer(panel) {
  const { element } = panel;
  const near = (event) => {
    const corner = element.getBoundingClientRect();
    const [x, y] = [event.clientX - corner.left, event.clientY - corner.top];
    const best = places(panel).reduce(
      (a, b) => (a && distance(a, x, y) <= distance(b, x, y) ? a : b), undefined);
    if (!best || distance(best, x, y) > REACH) return clear(panel);
    show(panel, best, x);
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
    const next = reached(panel, places(panel), event.key);
    if (!next) return;
    event.preventDefault();
    show(panel, next);
    document.getElementById("said").textContent = element.querySelector(".readout").innerText;
  });
}
