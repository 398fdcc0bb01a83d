// Points and bars: says what stands nearest to the pointer. A row has no place along x.
const REACH = 60;
const UPRIGHT = true;

/** The places that are on show, with their pixels from the corner of the panel. */
function places(panel) {
  const corner = origin(panel);
  const along = (name, value) => {
    const scale = panel.view.scale(name);
    return scale(value) + (scale.bandwidth ? scale.bandwidth() / 2 : 0);
  };
  return panel.places.filter((place) => on(panel, place)).map((place) => ({
    ...place,
    key: place.head,
    row: place.x === null,
    left: corner.left + (place.x === null ? 0 : along("x", place.x)),
    top: corner.top + along("y", place.y),
  }));
}

const distance = (place, x, y) => Math.hypot(place.row ? 0 : place.left - x, place.top - y);

function say(panel, place, x = 40) {
  if (!place.row) mark(panel, "ring", { left: `${place.left}px`, top: `${place.top}px` });
  const table = made("table");
  for (const [name, value] of place.lines) {
    const line = table.insertRow();
    line.append(made("th", name, { scope: "row" }), made("td", value, { class: "number" }));
  }
  const left = place.row ? x : place.left;
  fill(panel, [made("strong", place.head), table], { left, top: place.top + 12, gap: 16 });
}
