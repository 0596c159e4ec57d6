// Recipients as chips. The server reads each entry and sends its chip back with the name, the bars, or what is
// wrong with it.

import { say } from "./compose-say.js";
import { nameOf, split } from "./compose-split.js";

export const lineOf = (element) => element.closest("[data-line]");
export const chipsOf = (line) => [...line.querySelectorAll("[data-chip]")];
export const inputOf = (line) => line.querySelector("[data-add]");
export const crossOf = (chip) => chip?.querySelector("[data-remove]");

function made(line, entry) {
  const chip = document.getElementById("chip-form").content.firstElementChild.cloneNode(true);
  chip.dataset.chip = entry;
  chip.querySelector(".chip-name").textContent = nameOf(entry);
  const cross = crossOf(chip);
  cross.value = `${line.dataset.line}:${entry}`;
  cross.setAttribute("aria-label", `Remove ${nameOf(entry)}`);
  const field = chip.querySelector("input");
  field.name = line.dataset.line;
  field.value = entry;
  return chip;
}

/** Make chips of what was typed or pasted; an entry that stands there already is not repeated. */
export function add(line, text) {
  const known = new Set(chipsOf(line).map((chip) => chip.dataset.chip));
  const entries = split(text).filter((entry) => !known.has(entry));
  line.querySelector("[data-list]").append(...[...new Set(entries)].map((entry) => made(line, entry)));
  inputOf(line).value = "";
  if (entries.length > 0) {
    const who = entries.length === 1 ? nameOf(entries[0]) : `${entries.length} recipients`;
    say(`${who} added to ${line.dataset.label}`);
    line.dispatchEvent(new Event("compose:recipients", { bubbles: true }));
  }
}

/** Take a chip out; the focus goes to its neighbour. */
export function remove(chip) {
  const line = lineOf(chip);
  const chips = chipsOf(line);
  const place = chips.indexOf(chip);
  const next = chips[place + 1] ?? chips[place - 1];
  say(`${chip.querySelector(".chip-name").textContent} removed from ${line.dataset.label}`);
  chip.remove();
  (crossOf(next) ?? inputOf(line)).focus();
  line.dispatchEvent(new Event("compose:recipients", { bubbles: true }));
}

export function attachLines(form, saver) {
  form.addEventListener("click", (event) => {
    const cross = event.target.closest("[data-remove]");
    if (cross) {
      event.preventDefault();
      remove(cross.closest("[data-chip]"));
    }
  });
  form.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (event.target.matches("[data-add]") && /[,;\r\n]/.test(text.trim())) {
      event.preventDefault();
      add(lineOf(event.target), `${event.target.value}${text}`);
    }
  });
  form.addEventListener("focusout", (event) => {
    if (event.target.matches("[data-add]") && event.target.value.trim()) {
      add(lineOf(event.target), event.target.value);
    }
  });
  form.addEventListener("compose:recipients", () => saver.foresee());
  // What was typed, and left, before this module came.
  form.querySelectorAll("[data-add]").forEach((input) => {
    if (input.value !== input.defaultValue && input !== document.activeElement) {
      add(lineOf(input), input.value);
    }
  });
}
