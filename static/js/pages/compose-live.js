// What becomes known while a message is written: the socket tells, the page looks again.

import { say } from "./compose-say.js";

const SOON_MS = 150;
const POLL_MS = 4_000;
const POLLS = 6;

export function attachLive(saver) {
  let wait = 0;
  const soon = () => {
    clearTimeout(wait);
    wait = setTimeout(() => saver.refresh(), SOON_MS);
  };
  const onDomain = (event) => {
    if (document.getElementById(`server-${event.detail?.domain}`)) {
      soon();
    }
  };
  document.body.addEventListener("domain-changed", onDomain);
  document.body.addEventListener("resync", soon);
  // Where the socket is silent, look again a few times as long as something is checked.
  let polls = 0;
  setInterval(() => {
    if (!document.querySelector("#ledger[data-checking]") || document.hidden) {
      polls = 0;
    } else if ((polls += 1) <= POLLS) {
      saver.refresh();
    }
  }, POLL_MS);
  document.addEventListener("compose:foreseen", () => say(document.querySelector("[data-why]")?.textContent));
}
