// What the server made of each entry, put into the chips that stand in the page. Chips that were removed
// meanwhile stay removed, and what is still being typed is left alone.

function take(chip, fresh) {
  if (chip.outerHTML === fresh.outerHTML) {
    return;
  }
  if (!chip.contains(document.activeElement)) {
    chip.replaceWith(fresh.cloneNode(true));
    return;
  }
  chip.className = fresh.className;
  chip.removeAttribute("data-waits");
  chip.querySelector(".chip-name").textContent = fresh.querySelector(".chip-name").textContent;
  chip.querySelector(".bars")?.remove();
  const bars = fresh.querySelector(".bars");
  if (bars) {
    chip.querySelector(".chip-name").after(bars.cloneNode(true));
  }
}

function show(line, sentences) {
  const place = line.querySelector("[data-errors]");
  const form = document.getElementById("error-form").content.firstElementChild;
  place.replaceChildren(
    ...[...new Set(sentences)].map((sentence) => {
      const error = form.cloneNode(true);
      error.querySelector("span").textContent = sentence;
      return error;
    }),
  );
  line.querySelector("[data-add]").toggleAttribute("aria-invalid", sentences.length > 0);
}

export function reconcile(form) {
  document.querySelectorAll("[data-entries-of]").forEach((entries) => {
    const line = form.querySelector(`[data-line="${entries.dataset.entriesOf}"]`);
    const read = new Map([...entries.querySelectorAll("[data-chip]")].map((chip) => [chip.dataset.chip, chip]));
    const sentences = [...entries.querySelectorAll("[data-error]:not([data-chip])")].map((one) => one.textContent);
    line.querySelectorAll("[data-chip]").forEach((chip) => {
      const fresh = read.get(chip.dataset.chip);
      if (fresh?.dataset.error) {
        sentences.unshift(fresh.dataset.error);
      }
      if (fresh) {
        take(chip, fresh);
      }
    });
    show(line, sentences);
  });
  document.getElementById("compose-entries").replaceChildren();
}
