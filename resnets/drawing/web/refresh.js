// Loads the page again while what it shows goes on: not while nobody looks, and not when paused.
const pause = document.getElementById("pause");
let paused = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
});
setInterval(() => {
  if (!paused && !document.hidden && !document.querySelector(".readout:not([hidden])")) location.reload();
}, 1000 * Number(pause.dataset.seconds));
