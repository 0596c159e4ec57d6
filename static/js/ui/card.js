// The card behind a bar: [data-card] is a native popover, opened and closed by the browser.
// Here: its place where style sheets cannot give it one, the focus that goes in and comes back, and a card
// that stays open when the row around it is renewed over the socket.

import { openerOf, placeBeside } from "./place.js";

let openId = null;

// Said at once, before anything changes: "toggle" comes later, when a renewed row may have been opened again.
function onBeforeToggle(event) {
  const card = event.target;
  if (!card.matches?.("[data-card]")) {
    return;
  }
  if (event.newState === "open") {
    openId = card.id;
  } else if (openId === card.id) {
    openId = null;
  }
}

function onToggle(event) {
  const card = event.target;
  if (!card.matches?.("[data-card]")) {
    return;
  }
  const opener = openerOf(card);
  const isOpen = event.newState === "open";
  opener?.setAttribute("aria-expanded", String(isOpen));
  if (isOpen) {
    placeBeside(card, opener);
  } else if (!openId) {
    if (!document.activeElement || document.activeElement === document.body) {
      opener?.focus({ preventScroll: true });
    }
  }
}

// A renewed row brings a new, closed card with the same id. What the reader had open is opened again. A card
// that is taken out of the page says nothing: only the reader's closing is heard above.
function reopen() {
  const card = openId && document.getElementById(openId);
  if (card && !card.matches(":popover-open")) {
    card.showPopover();
    openerOf(card)?.setAttribute("aria-expanded", "true");
  }
}

document.addEventListener("beforetoggle", onBeforeToggle, true);
document.addEventListener("toggle", onToggle, true);
document.addEventListener("htmx:load", reopen);
