// Toasts: one sentence, one action. They stay at least ten seconds, and wait while they are pointed at or
// have the focus. Without this module they stay until the next page.

const LEAST_SECONDS = 10;

/** Remove `toast`, gently where motion is welcome. */
function dismiss(toast) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    toast.remove();
    return;
  }
  toast.addEventListener("transitionend", () => toast.remove(), { once: true });
  toast.classList.add("toast--going");
}

function run(toast) {
  if (toast.dataset.toastRuns) {
    return;
  }
  toast.dataset.toastRuns = "yes";
  let left = Math.max(LEAST_SECONDS, Number(toast.dataset.toast) || 0);
  let isHeld = false;
  const tick = setInterval(() => {
    left -= isHeld || document.hidden ? 0 : 1;
    if (left <= 0 || !toast.isConnected) {
      clearInterval(tick);
      dismiss(toast);
    }
  }, 1000);
  const hold = () => (isHeld = true);
  const release = () => (isHeld = toast.matches(":hover") || toast.contains(document.activeElement));
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("pointerleave", () => setTimeout(release));
  toast.addEventListener("focusout", () => setTimeout(release));
  const close = toast.querySelector("[data-toast-close]");
  if (close) {
    close.hidden = false;
    close.addEventListener("click", () => dismiss(toast));
  }
}

function runAll() {
  document.querySelectorAll("[data-toast]").forEach(run);
}

/** Say `text` in a toast; with `label`, a button that calls `action`. For other modules. */
export function toast(text, { label = "", action = null, seconds = LEAST_SECONDS } = {}) {
  const element = document.createElement("div");
  element.className = "toast";
  element.dataset.toast = String(seconds);
  const words = document.createElement("span");
  words.className = "toast-text";
  words.textContent = text;
  element.append(words);
  if (label && action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toast-btn";
    button.textContent = label;
    button.addEventListener("click", () => {
      action();
      dismiss(element);
    });
    element.append(button);
  }
  document.getElementById("toasts")?.append(element);
  run(element);
}

document.addEventListener("htmx:load", runAll);
runAll();
