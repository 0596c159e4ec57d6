// Puts an open popover beside the button that opened it, where style sheets cannot (no anchor positioning yet).

const GAP = 8;
const canAnchor = CSS.supports("position-area: bottom");
const isPhone = matchMedia("(max-width: 719px)");

/** The button that opens the popover with this id. */
export function openerOf(popover) {
  return document.querySelector(`[popovertarget="${CSS.escape(popover.id)}"]`);
}

/** Place `popover` under `opener`, or above it where there is more room; sheets on phones stay where they are. */
export function placeBeside(popover, opener) {
  if (canAnchor || isPhone.matches || !opener) {
    return;
  }
  const from = opener.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const left = Math.min(from.left, innerWidth - width - GAP);
  const below = from.bottom + GAP;
  const top = below + height <= innerHeight ? below : Math.max(GAP, from.top - GAP - height);
  popover.style.margin = "0";
  popover.style.inset = `${top}px auto auto ${Math.max(GAP, left)}px`;
}
