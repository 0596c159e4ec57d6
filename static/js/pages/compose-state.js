// The line that says whether the draft is saved, and the address the draft has once it is.

import { say } from "./compose-say.js";

const LATER = "Not saved yet: no connection. Trying again.";
const NOT_SENT = "Not sent: no connection. Everything is kept here.";
const LOGGED_OUT = "Not saved: log in again in another tab.";

/** How often the server has stored this draft; 0 is never. */
export function versionOf(form) {
  return Number(form.querySelector("[data-saved]")?.dataset.saved ?? 0);
}

/** Say something else than "Draft saved" for now; the next answer takes it back. */
export function tellState(form, text) {
  const place = form.querySelector("[data-save-words]");
  if (place) {
    place.textContent = text;
  }
  form.querySelector("[data-saved]")?.classList.toggle("save-state--away", text !== "Sending");
}

export function tellFailure(form, answer, isSend) {
  const text = answer.isLoggedOut ? LOGGED_OUT : isSend ? NOT_SENT : LATER;
  tellState(form, text);
  say(text);
}

/** Once stored, the draft has an address of its own: a reload brings it back. */
export function keepAddress(form) {
  const { pathname } = new URL(form.action);
  if (location.pathname !== pathname && versionOf(form) > 0) {
    history.replaceState(null, "", pathname);
  }
  showClock(form);
}

// The server writes UTC; people read their own clock.
export function showClock(form) {
  form.querySelectorAll("[data-clock]").forEach((clock) => {
    const at = new Date(clock.dateTime);
    clock.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  });
}
