// What the reader folded or unfolded stays so when that part of the page is renewed over the socket.
// [data-keep] is a <details> or the tick of a folded row; both work without this module.

const chosen = new Map();

function remember(part) {
  if (part.id) {
    chosen.set(part.id, part.localName === "details" ? part.open : part.checked);
  }
}

function restore(part) {
  if (!chosen.has(part.id)) {
    return;
  }
  if (part.localName === "details") {
    part.open = chosen.get(part.id);
  } else {
    part.checked = chosen.get(part.id);
  }
}

// A <details> that the server opened also says "toggle". Only what follows a press is the reader's choice.
document.addEventListener("click", (event) => {
  const details = event.target.closest?.("summary")?.parentElement;
  if (details?.matches("details[data-keep]")) {
    details.addEventListener("toggle", () => remember(details), { once: true });
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-keep]")) {
    remember(event.target);
  }
});

document.addEventListener("htmx:load", (event) => {
  const added = event.target;
  if (added.matches?.("[data-keep]")) {
    restore(added);
  }
  added.querySelectorAll?.("[data-keep]").forEach(restore);
});
