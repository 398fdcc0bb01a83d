// The switches of the page. What they are set to stands in the address, so that it can be passed on
// and outlasts a refresh.

const buttons = [...document.querySelectorAll("[data-key]")];
const axes = [...document.querySelectorAll("[data-axis]")];

function recall() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const known = new Set(buttons.map((button) => button.dataset.key));
  state.hidden = new Set(wanted.getAll("hide").filter((key) => known.has(key)));
  state.logarithmic = wanted.has("log");
}

function remember() {
  const wanted = new URLSearchParams([...state.hidden].map((key) => ["hide", key]));
  if (state.logarithmic) wanted.set("log", "1");
  const query = wanted.toString();
  history.replaceState(null, "", query ? `#${query}` : location.pathname + location.search);
}

function press() {
  for (const button of buttons) button.setAttribute("aria-pressed", !state.hidden.has(button.dataset.key));
  for (const axis of axes) axis.setAttribute("aria-pressed", state.logarithmic === (axis.dataset.axis === "logarithmic"));
}

for (const button of buttons) {
  button.addEventListener("click", async () => {
    const { key } = button.dataset;
    if (!state.hidden.delete(key)) state.hidden.add(key);
    press();
    remember();
    panels.forEach(clear);
    await applyAll();
  });
}

for (const axis of axes) {
  axis.addEventListener("click", async () => {
    state.logarithmic = axis.dataset.axis === "logarithmic";
    press();
    remember();
    panels.forEach(clear);
    await Promise.all(panels.filter(({ log }) => log).map(draw));
  });
}

recall();
press();
for (const panel of panels) {
  await draw(panel);
  answer(panel);
  panel.element.closest("figure").classList.add("drawn");
}
await applyAll();
document.documentElement.dataset.ready = Math.round(performance.now());
