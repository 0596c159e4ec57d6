// A part that is replaced between press and release would swallow the click, so it is left until then, and
// asked for again. Swaps that the click itself leads to are trusted, and go on.

let pressed = null; // what a pointer is held down on
let isLeft = false; // whether a part was to be replaced meanwhile

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig } = event.detail;
  if (pressed && target?.contains(pressed) && !requestConfig?.triggeringEvent?.isTrusted) {
    event.detail.shouldSwap = false;
    isLeft = true;
  }
});

function release() {
  setTimeout(() => {
    pressed = null;
    if (isLeft) {
      isLeft = false;
      document.body.dispatchEvent(new CustomEvent("resync", { detail: {}, bubbles: true }));
    }
  });
}

addEventListener("pointerdown", ({ target }) => {
  pressed = target;
});
addEventListener("pointerup", release);
addEventListener("pointercancel", release);
