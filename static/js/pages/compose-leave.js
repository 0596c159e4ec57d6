// Leaving with text that the server does not have yet: save at once, and ask if that takes too long.

export function attachLeaving(saver) {
  addEventListener("beforeunload", (event) => {
    if (saver.isDirty()) {
      saver.flush();
      event.preventDefault();
    }
  });
  addEventListener("online", () => saver.isDirty() && saver.flush());
  document.addEventListener("visibilitychange", () => document.hidden && saver.isDirty() && saver.flush());
}
