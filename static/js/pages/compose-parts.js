// Puts the parts of an answer into the page, by id. What did not change stays untouched, so that nothing
// flickers, an open card stays open, and the focus stays where it is.

function tell(name, element) {
  element.dispatchEvent(new CustomEvent(name, { bubbles: true, detail: { elt: element } }));
}

function put(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  tell("htmx:beforeSwap", old);
  old.replaceWith(fresh);
  window.htmx?.process(fresh);
  tell("htmx:load", fresh);
  if (focused && !document.contains(focused)) {
    refocus(fresh, focused);
  }
}

function refocus(fresh, focused) {
  const byId = focused.id && fresh.querySelector(`#${CSS.escape(focused.id)}`);
  const like = [...fresh.querySelectorAll(focused.localName)].find(
    (one) => one.name === focused.name && one.value === focused.value,
  );
  (byId || like || null)?.focus({ preventScroll: true });
}

// The ledger is renewed row by row.
function putRows(old, fresh) {
  const [oldList, freshList] = [old, fresh].map((root) => root.querySelector(":scope > .list"));
  for (const name of ["hidden", "data-checking"]) {
    old.toggleAttribute(name, fresh.hasAttribute(name));
  }
  const kept = new Set();
  [...freshList.children].forEach((row, place) => {
    const known = document.getElementById(row.id);
    const now = oldList.children[place];
    kept.add(row.id);
    if (known && known.isEqualNode(row)) {
      if (known !== now) {
        oldList.insertBefore(known, now ?? null);
      }
    } else if (known && known === now) {
      put(known, row);
    } else {
      known?.remove();
      oldList.insertBefore(row, oldList.children[place] ?? null);
      window.htmx?.process(row);
      tell("htmx:load", row);
    }
  });
  [...oldList.children].filter((row) => !kept.has(row.id)).forEach((row) => row.remove());
}

export function swapParts(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const part of [...page.body.children]) {
    const old = part.id && document.getElementById(part.id);
    const fresh = old && document.importNode(part, true);
    if (!old || old.isEqualNode(fresh)) {
      continue;
    }
    if (old.hasAttribute("data-rows")) {
      putRows(old, fresh);
    } else {
      put(old, fresh);
    }
  }
}
