// Compose, with scripts: chips, completion, saving while typing, live bars. Without this module every button
// posts the whole form and the page comes back with everything in it.

import { attachLines } from "./compose-chips.js";
import { attachFiles } from "./compose-files.js";
import { attachKeys } from "./compose-keys.js";
import { attachLeaving } from "./compose-leave.js";
import { attachLive } from "./compose-live.js";
import { attachSuggestions } from "./compose-suggest.js";
import { createSaver } from "./compose-save.js";
import { showClock } from "./compose-state.js";

const SOON_MS = 800;

function start(form) {
  const saver = createSaver(form);
  showClock(form);
  attachSuggestions(form);
  attachKeys(form);
  attachLines(form, saver);
  attachLeaving(saver);
  attachFiles(form, saver);
  attachModes(form, saver);
  attachButtons(form, saver);
  attachLive(saver);
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[data-add], [data-mode], [type=file], [name=keep]")) {
      saver.later(SOON_MS);
    }
  });
  // What was typed before this module came, or kept by the browser over a reload, is not saved yet.
  if ([form.elements.subject, form.elements.body].some((field) => field.value !== field.defaultValue)) {
    saver.later(SOON_MS);
  }
  // Recipients that stand there already are looked up at once; only opening a reply stores nothing.
  if (form.querySelector("[data-chip]")) {
    saver.refresh();
  }
}

// A press on the mode that is already marked is a choice too: it is then kept whatever changes.
function attachModes(form, saver) {
  form.addEventListener("click", (event) => {
    if (event.target.matches("[data-mode]")) {
      form.elements.by_hand.value = "1";
      saver.foresee();
    }
  });
}

function attachButtons(form, saver) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || button.hasAttribute("data-plain")) {
      saver.leave();
      return;
    }
    event.preventDefault();
    if (button.hasAttribute("data-more")) {
      form.querySelectorAll("[data-line]").forEach((line) => (line.hidden = false));
      form.querySelector("[data-line=cc] [data-add]").focus();
      button.hidden = true;
    } else {
      saver.press(button);
    }
  });
  const more = form.querySelector("[data-more]");
  more.hidden = !form.querySelector("[data-line][hidden]");
  form.addEventListener("click", (event) => event.target.closest("[data-leave]") && saver.leave());
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[data-send]"));
    } else if (event.key === "Enter" && event.target.matches("#subject")) {
      event.preventDefault();
      form.elements.body.focus();
    }
  });
}

document.querySelectorAll("[data-compose]").forEach(start);
