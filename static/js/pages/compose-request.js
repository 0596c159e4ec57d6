// One request, and what became of it: parts of the page, somewhere else to go, or nothing at all.

const USEFUL = [200, 409, 422];

/** What a form says. Text that is still being typed into a line of recipients counts only when `isWhole`. */
export function said(form, { button = null, isWhole = true } = {}) {
  const data = new FormData(form, button);
  if (!isWhole) {
    form.querySelectorAll("[data-add]").forEach((input) => {
      const kept = [...form.querySelectorAll(`[data-chip] [name="${input.name}"]`)];
      data.delete(input.name);
      kept.forEach((one) => data.append(input.name, one.value));
    });
  }
  return data;
}

/**
 * Ask the server. The promise is always kept: `isThere` is false without an answer that makes sense,
 * `isLoggedOut` where the answer is the log-in page.
 */
export function ask(url, { method = "POST", body = null, onProgress = null } = {}) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.setRequestHeader("HX-Request", "true");
    if (onProgress) {
      request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    }
    request.addEventListener("loadend", () => {
      const isElsewhere = Boolean(request.responseURL) && request.responseURL !== new URL(url, location).href;
      resolve({
        isThere: USEFUL.includes(request.status) && !isElsewhere,
        isLoggedOut: isElsewhere || request.status === 403,
        isDone: request.status === 200 && !isElsewhere,
        goTo: request.getResponseHeader("HX-Redirect"),
        html: request.responseText,
      });
    });
    request.send(body);
  });
}

/** What is known now: about the draft as it is stored, or about what the form says, which is not stored by that. */
export function look(form, isStored) {
  if (isStored) {
    return ask(form.dataset.outlook, { method: "GET" });
  }
  const body = said(form, { isWhole: false });
  body.append("look", "1");
  return ask(form.dataset.outlook, { body });
}
