// HTML mail: the frame becomes as tall as what is in it. Without this module the frame scrolls by itself.

const TALLEST = 20_000;

function fit(frame) {
  const inside = frame.contentDocument?.documentElement;
  if (inside) {
    frame.style.height = "0";
    frame.style.height = `${Math.min(TALLEST, inside.scrollHeight + 2)}px`;
  }
}

function watch(frame) {
  if (frame.dataset.watched) {
    return;
  }
  frame.dataset.watched = "yes";
  const start = () => {
    fit(frame);
    const body = frame.contentDocument?.body;
    body?.addEventListener("load", () => fit(frame), true);
  };
  frame.addEventListener("load", start);
  if (frame.contentDocument?.readyState === "complete") {
    start();
  }
  let width = frame.clientWidth;
  new ResizeObserver(() => {
    if (frame.clientWidth !== width) {
      width = frame.clientWidth;
      fit(frame);
    }
  }).observe(frame);
}

function watchAll() {
  document.querySelectorAll("[data-letter-frame]").forEach(watch);
}

watchAll();
document.addEventListener("htmx:afterSwap", watchAll);
