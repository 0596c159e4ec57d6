// The page of one domain renews its evidence when something about that domain changed, not for others.

document.body.addEventListener("domain-changed", (event) => {
  const part = document.querySelector("#evidence[data-domain]");
  const domain = event.detail?.domain;
  if (part && (!domain || domain === part.dataset.domain)) {
    htmx.trigger(part, "evidence");
  }
});
