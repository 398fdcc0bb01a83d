// Draws the panels of a page from their Vega specifications, and again when a switch changes them.
const state = { hidden: new Set(), logarithmic: false };
const DRAWING = { mode: "vega", renderer: "svg", actions: false, defaultStyle: false, tooltip: false };

const panels = JSON.parse(document.getElementById("panels").textContent).map((panel) => ({
  ...panel,
  element: document.getElementById(panel.id),
}));

/** The specification with the error axis as the reader wants it. */
function specification(panel) {
  if (!state.logarithmic || !panel.log) return panel.spec;
  const spec = structuredClone(panel.spec);
  for (const scale of spec.scales.filter(({ name }) => name === "y")) {
    Object.assign(scale, { type: "log", domain: panel.log.domain, nice: false });
    delete scale.zero;
  }
  for (const axis of spec.axes.filter(({ scale }) => scale === "y")) {
    Object.assign(axis, { values: panel.log.ticks, labelOverlap: false });
    delete axis.tickCount; // it would leave out some of them
  }
  return spec;
}

async function draw(panel) {
  panel.drawn?.finalize();
  panel.drawn = await window.vegaEmbed(
    panel.element.querySelector(".drawing"), specification(panel), DRAWING);
  panel.view = panel.drawn.view;
  await apply(panel);
}

/** Leave out what is switched off; a panel of which nothing would be left goes as a whole. */
async function apply(panel) {
  panel.element.hidden = panel.keys.some((key) => state.hidden.has(key));
  await panel.view.signal("hidden", [...state.hidden]).runAsync();
}

async function applyAll() {
  await Promise.all(panels.map(apply));
  dispatchEvent(new Event("resize")); // the panels that are left may have become wider
}

/** Whether the switches leave a row or a place of a panel. */
function on(panel, row) {
  return Object.entries(panel.switches).every(
    ([field, name]) => !state.hidden.has(`${name}:${row[field]}`));
}

/** The rows of a panel that are on show. */
function shown(panel) {
  return panel.view.data(panel.readout.rows).filter((row) => on(panel, row));
}
