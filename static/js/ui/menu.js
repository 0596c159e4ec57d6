// Menus: [data-menu] is a native popover with links and buttons. Here: arrow keys, Home, End, and its place.

import { openerOf, placeBeside } from "./place.js";

const MOVES = { ArrowDown: 1, ArrowUp: -1 };

function itemsOf(menu) {
  return [...menu.querySelectorAll("a[href], button:not(:disabled)")];
}

function onToggle(event) {
  const menu = event.target;
  if (!menu.matches?.("[data-menu]")) {
    return;
  }
  const isOpen = event.newState === "open";
  openerOf(menu)?.setAttribute("aria-expanded", String(isOpen));
  if (isOpen) {
    placeBeside(menu, openerOf(menu));
    itemsOf(menu)[0]?.focus({ focusVisible: false });
  }
}

function onKeydown(event) {
  const menu = event.target.closest?.("[data-menu]");
  if (!menu) {
    return;
  }
  const items = itemsOf(menu);
  const at = items.indexOf(document.activeElement);
  let next = null;
  if (event.key in MOVES) {
    next = items[(at + MOVES[event.key] + items.length) % items.length];
  } else if (event.key === "Home") {
    next = items[0];
  } else if (event.key === "End") {
    next = items[items.length - 1];
  }
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

document.addEventListener("toggle", onToggle, true);
document.addEventListener("keydown", onKeydown);
