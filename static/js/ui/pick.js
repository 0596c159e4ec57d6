// Choosing several rows: [data-pick] is the part with the rows, its ticks are [data-pick-row].
// Here: how many are chosen ([data-pick-count]), all at once ([data-pick-all]), a range with Shift, and
// [data-pick-toggle], which shows the ticks where no pointer hovers.

const lastIn = new WeakMap();

function ticksOf(part) {
  return [...part.querySelectorAll("[data-pick-row]")];
}

function count(part) {
  const chosen = ticksOf(part).filter((tick) => tick.checked).length;
  part.querySelectorAll("[data-pick-count]").forEach((place) => (place.textContent = String(chosen)));
  const all = part.querySelector("[data-pick-all]");
  if (all) {
    all.checked = chosen > 0 && chosen === ticksOf(part).length;
    all.indeterminate = chosen > 0 && !all.checked;
  }
}

function pickRange(part, tick) {
  const ticks = ticksOf(part);
  const ends = [ticks.indexOf(lastIn.get(part)), ticks.indexOf(tick)].sort((a, b) => a - b);
  if (ends[0] >= 0) {
    ticks.slice(ends[0], ends[1] + 1).forEach((one) => (one.checked = tick.checked));
  }
}

document.addEventListener("click", (event) => {
  const part = event.target.closest?.("[data-pick]");
  if (!part) {
    return;
  }
  const toggle = event.target.closest("[data-pick-toggle]");
  if (toggle) {
    part.classList.toggle("is-picking");
    return;
  }
  if (event.target.matches("[data-pick-row]")) {
    if (event.shiftKey) {
      pickRange(part, event.target);
    }
    lastIn.set(part, event.target);
    count(part);
  }
});

document.addEventListener("change", (event) => {
  const part = event.target.closest?.("[data-pick]");
  if (part && event.target.matches("[data-pick-all]")) {
    ticksOf(part).forEach((tick) => (tick.checked = event.target.checked));
    count(part);
  }
});

document.addEventListener("htmx:load", () => document.querySelectorAll("[data-pick]").forEach(count));
