// Says one sentence to those who listen rather than look. The same sentence is not said twice in a row.

let last = "";

export function say(text) {
  const words = (text ?? "").replace(/\s+/g, " ").trim();
  const live = document.querySelector("[data-say]");
  if (live && words && words !== last) {
    last = words;
    live.textContent = words;
  }
}
