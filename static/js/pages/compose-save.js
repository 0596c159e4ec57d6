// One request at a time from a draft's form, so that no answer overtakes another. What is typed stays in the
// page until the server has it: a failed save is tried again, and leaving with unsaved text asks first.

import { reconcile } from "./compose-entries.js";
import { swapParts } from "./compose-parts.js";
import { ask, look, said } from "./compose-request.js";
import { keepAddress, tellFailure, tellState, versionOf } from "./compose-state.js";

const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 30_000;

export function createSaver(form) {
  const state = { chain: Promise.resolve(), timer: 0, retry: FIRST_RETRY_MS, isDirty: false, wantsOutlook: false };

  function failed(answer, isSend) {
    tellFailure(form, answer, isSend);
    later(state.retry);
    state.retry = Math.min(2 * state.retry, LONGEST_RETRY_MS);
  }

  function accept(answer) {
    state.retry = FIRST_RETRY_MS;
    if (answer.goTo) {
      leave();
      location.assign(answer.goTo);
      return;
    }
    swapParts(answer.html);
    reconcile(form);
    keepAddress(form);
  }

  async function post(url, { button = null, files = [], onProgress = null, isWhole = true } = {}) {
    clearTimeout(state.timer);
    state.timer = 0;
    state.isDirty = false;
    const body = said(form, { button, isWhole });
    files.forEach((file) => body.append("files", file));
    const answer = await ask(url, { body, onProgress });
    if (answer.isThere) {
      accept(answer);
    } else {
      failed(answer, button?.hasAttribute("data-send") ?? false);
    }
    return answer;
  }

  const queue = (work) => (state.chain = state.chain.then(work, work));

  const flush = () =>
    queue(async () => {
      if (state.wantsOutlook) {
        state.wantsOutlook = false;
        const answer = await post(form.dataset.outlook, { isWhole: false });
        state.wantsOutlook ||= !answer.isThere;
        document.dispatchEvent(new Event("compose:foreseen"));
      } else if (state.isDirty) {
        await post(form.action);
      }
    });

  function later(milliseconds) {
    state.isDirty = true;
    clearTimeout(state.timer);
    state.timer = setTimeout(flush, milliseconds);
  }

  function foresee() {
    state.isDirty = state.wantsOutlook = true;
    return flush();
  }

  // Look again at what is stored; what is not stored yet goes first. A question that is open stays open.
  async function refresh() {
    await flush();
    return queue(async () => {
      const answer = await look(form, versionOf(form) > 0);
      if (answer.isThere) {
        accept(answer);
      }
    });
  }

  function press(button) {
    const url = button.hasAttribute("formaction") ? button.formAction : form.action;
    if (button.hasAttribute("data-send")) {
      tellState(form, "Sending");
    }
    return queue(() => post(url, { button }));
  }

  function leave() {
    state.isDirty = false;
    clearTimeout(state.timer);
  }

  return { later, foresee, refresh, press, leave, queue, post, flush, isDirty: () => state.isDirty };
}
