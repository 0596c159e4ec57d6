// The list and the reader beside it. A row opens in the reader without a new page; ticks stay when the list
// is read again; j and k go to the next and the previous message. Without this module rows are links.

const reader = () => document.getElementById("reader");
const panes = () => document.querySelector("[data-panes]");
const ticks = () => [...document.querySelectorAll(".row-tick")];

let kept = { chosen: [], anchor: null };

/** Mark the row of the message that the reader shows. */
function markOpen() {
  const key = reader()?.dataset.open;
  for (const row of document.querySelectorAll("[data-row]")) {
    const isOpen = row.dataset.row === key;
    row.classList.toggle("row--on", isOpen && row.classList.contains("row"));
    row.toggleAttribute("aria-current", isOpen);
    if (isOpen) {
      row.setAttribute("aria-current", "true");
      row.classList.remove("row--new");
    }
  }
}

function open(row) {
  htmx.ajax("GET", row.href, { target: "#reader", swap: "outerHTML" });
}

document.addEventListener("click", (event) => {
  const row = event.target.closest?.("[data-row]");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);
  if (row && isPlain && reader() && window.htmx) {
    event.preventDefault();
    open(row);
  }
});

document.addEventListener("keydown", (event) => {
  // Only with the focus in the list or the letter: a stray key elsewhere does nothing (WCAG 2.1.4).
  const isHere = event.target.closest?.("[data-panes]") && !event.target.matches("input:not(.row-tick)");
  if (!isHere || event.ctrlKey || event.metaKey || event.altKey || !["j", "k"].includes(event.key)) {
    return;
  }
  const rows = [...document.querySelectorAll(".row[data-row]")];
  const at = rows.findIndex((row) => row.dataset.row === reader()?.dataset.open);
  const next = rows[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
  if (next) {
    next.focus();
    open(next);
  }
});

/** Find the first row that can be seen, so that it can stay where it is. */
function anchor() {
  const top = document.querySelector(".pane--list .pane-scroll").getBoundingClientRect().top;
  const row = [...document.querySelectorAll(".row[data-row]")].find(
    (one) => one.getBoundingClientRect().bottom > Math.max(0, top),
  );
  return row && { id: row.id, top: row.getBoundingClientRect().top };
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id === "message-list") {
    kept = { chosen: ticks().filter((tick) => tick.checked).map((tick) => tick.id), anchor: anchor() };
  }
});

function restore() {
  kept.chosen.map((id) => document.getElementById(id)).forEach((tick) => tick && (tick.checked = true));
  const row = kept.anchor && document.getElementById(kept.anchor.id);
  const moved = row ? row.getBoundingClientRect().top - kept.anchor.top : 0;
  const scroller = document.querySelector(".pane--list .pane-scroll");
  const isOwn = getComputedStyle(scroller).overflowY !== "visible";
  // At the very top, what is new should be seen.
  if (isOwn && scroller.scrollTop > 0) {
    scroller.scrollTop += moved;
  } else if (!isOwn && scrollY > 0) {
    scrollBy(0, moved);
  }
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "message-list") {
    restore();
  } else if (event.detail.target?.id === "reader") {
    panes()?.classList.add("panes--reading");
    if (matchMedia("(max-width: 1179px)").matches) {
      document.getElementById("letter-title")?.focus();
      scrollTo(0, 0);
    }
  }
  markOpen();
});
