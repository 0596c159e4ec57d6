// Completion of recipients: a combobox over the people written to before (ARIA practices, list autocomplete).

import { add } from "./compose-chips.js";
import { say } from "./compose-say.js";

const SOON_MS = 120;

function listFor(input) {
  const list = document.createElement("ul");
  list.className = "suggest";
  list.id = `${input.id}-people`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "People you have written to");
  input.after(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  return list;
}

function attach(input) {
  const list = listFor(input);
  const line = input.closest("[data-line]");
  let timer = 0;
  let asked = 0;

  const options = () => [...list.children];
  const active = () => list.querySelector('[aria-selected="true"]');

  function close() {
    asked += 1;
    clearTimeout(timer);
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(option) {
    options().forEach((one) => one.setAttribute("aria-selected", String(one === option)));
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function choose(option) {
    close();
    add(line, option.dataset.typed);
    input.focus();
  }

  async function look() {
    const mine = (asked += 1);
    const answer = await fetch(`${input.dataset.suggest}?q=${encodeURIComponent(input.value.trim())}`).catch(() => null);
    if (!answer?.ok || answer.redirected || mine !== asked) {
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asked || document.activeElement !== input) {
      return;
    }
    list.replaceChildren(...[...page.querySelectorAll("[role=option]")].map((one) => document.importNode(one, true)));
    const number = options().length;
    input.setAttribute("aria-expanded", String(number > 0));
    say(number > 0 ? `${number} ${number === 1 ? "person" : "people"} found, arrow down to choose` : "");
  }

  input.addEventListener("input", () => {
    close();
    if (input.value.trim()) {
      timer = setTimeout(look, SOON_MS);
    }
  });
  input.addEventListener("keydown", (event) => {
    const all = options();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (all.length === 0) {
      return;
    }
    if (step) {
      event.preventDefault();
      mark(all.at((all.indexOf(active()) + step + (active() || step > 0 ? 0 : 1) + all.length) % all.length));
    } else if (["Enter", "Tab"].includes(event.key) && active()) {
      event.preventDefault();
      choose(active());
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });
  // A press must not take the focus from the field, or the field would make a chip of what was typed.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => choose(event.target.closest("[role=option]")));
  input.addEventListener("blur", close);
}

export function attachSuggestions(form) {
  form.querySelectorAll("[data-suggest]").forEach(attach);
}
