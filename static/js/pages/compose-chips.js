// Recipients as chips: Enter, comma and paste add, Backspace removes, arrows move. The server reads each entry
// and sends the chip back with its name, its bars, or what is wrong with it.

import { say } from "./compose-say.js";
import { endsEntry, nameOf, split } from "./compose-split.js";

const lineOf = (element) => element.closest("[data-line]");
const chipsOf = (line) => [...line.querySelectorAll("[data-chip]")];
const inputOf = (line) => line.querySelector("[data-add]");
const crossOf = (chip) => chip?.querySelector("[data-remove]");

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

function remove(chip) {
  const line = lineOf(chip);
  const chips = chipsOf(line);
  const place = chips.indexOf(chip);
  const next = chips[place + 1] ?? chips[place - 1];
  say(`${chip.querySelector(".chip-name").textContent} removed from ${line.dataset.label}`);
  chip.remove();
  (crossOf(next) ?? inputOf(line)).focus();
  line.dispatchEvent(new Event("compose:recipients", { bubbles: true }));
}

function onKeyInField(event, input) {
  const line = lineOf(input);
  const isSeparator = [",", ";"].includes(event.key) && endsEntry(input.value);
  const isAtStart = input.selectionStart === 0 && input.selectionEnd === 0;
  if (event.key === "Enter" || (isSeparator && input.value.trim())) {
    event.preventDefault();
    add(line, input.value);
  } else if (event.key === "Backspace" && isAtStart && input.value === "" && chipsOf(line).length > 0) {
    event.preventDefault();
    remove(chipsOf(line).at(-1));
    input.focus();
  } else if (event.key === "ArrowLeft" && isAtStart) {
    crossOf(chipsOf(line).at(-1))?.focus();
  }
}

function onKeyOnChip(event, chip) {
  const chips = chipsOf(lineOf(chip));
  const place = chips.indexOf(chip);
  const moves = { ArrowLeft: chips[place - 1], ArrowRight: chips[place + 1], Home: chips[0], End: chips.at(-1) };
  if (["Backspace", "Delete"].includes(event.key)) {
    event.preventDefault();
    remove(chip);
  } else if (event.key in moves) {
    event.preventDefault();
    (crossOf(moves[event.key]) ?? inputOf(lineOf(chip))).focus();
  }
}

export function attachLines(form, saver) {
  form.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.isComposing) {
      return;
    }
    if (event.target.matches("[data-add]")) {
      onKeyInField(event, event.target);
    } else if (event.target.matches("[data-remove]")) {
      onKeyOnChip(event, event.target.closest("[data-chip]"));
    }
  });
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
}
