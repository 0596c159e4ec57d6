// The keyboard of a line of recipients: Enter and separators add, Backspace removes, arrows move.

import { add, chipsOf, crossOf, inputOf, lineOf, remove } from "./compose-chips.js";
import { endsEntry } from "./compose-split.js";

function inField(event, input) {
  const line = lineOf(input);
  const last = chipsOf(line).at(-1);
  const isSeparator = [",", ";"].includes(event.key) && endsEntry(input.value) && input.value.trim();
  const isAtStart = input.selectionStart === 0 && input.selectionEnd === 0;
  if (event.key === "Enter" || isSeparator) {
    event.preventDefault();
    add(line, input.value);
  } else if (event.key === "Backspace" && input.value === "" && last) {
    event.preventDefault();
    remove(last);
    input.focus();
  } else if (event.key === "ArrowLeft" && isAtStart) {
    crossOf(last)?.focus();
  }
}

function onChip(event, chip) {
  const chips = chipsOf(lineOf(chip));
  const place = chips.indexOf(chip);
  const moves = { ArrowLeft: chips[place - 1] ?? chip, ArrowRight: chips[place + 1], Home: chips[0], End: chips.at(-1) };
  if (["Backspace", "Delete"].includes(event.key)) {
    event.preventDefault();
    remove(chip);
  } else if (event.key in moves) {
    event.preventDefault();
    (crossOf(moves[event.key]) ?? inputOf(lineOf(chip))).focus();
  }
}

export function attachKeys(form) {
  form.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.isComposing) {
      return;
    }
    if (event.target.matches("[data-add]")) {
      inField(event, event.target);
    } else if (event.target.matches("[data-remove]")) {
      onChip(event, event.target.closest("[data-chip]"));
    }
  });
}
