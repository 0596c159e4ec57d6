// Seconds that run down: [data-countdown] holds the moment (ISO 8601). The text becomes the seconds that are
// left; a ring beside it ([data-countdown-ring], out of data-countdown-of seconds) empties with it.

function show(part) {
  const left = Math.max(0, Math.ceil((Date.parse(part.dataset.countdown) - Date.now()) / 1000));
  const words = part.querySelector("[data-countdown-text]") ?? part;
  if (words.textContent !== String(left)) {
    words.textContent = String(left);
  }
  const of = Number(part.dataset.countdownOf);
  const ring = part.querySelector("[data-countdown-ring]");
  if (ring && of > 0) {
    ring.setAttribute("stroke-dasharray", `${Math.min(100, (left / of) * 100)} 100`);
  }
}

setInterval(() => document.querySelectorAll("[data-countdown]").forEach(show), 250);
