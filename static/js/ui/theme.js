// Light or dark, and how dense: a choice of this device, kept in a cookie so that the server writes it into
// the next page and nothing flashes. A control says data-prefer="theme" or data-prefer="density"; its value
// is light, dark or system, and compact, normal or roomy.

const YEAR = 365 * 24 * 3600;
const DENSITIES = ["density-compact", "density-roomy"];

const apply = {
  theme(value) {
    if (value === "light" || value === "dark") {
      document.documentElement.dataset.theme = value;
    } else {
      delete document.documentElement.dataset.theme;
    }
  },
  density(value) {
    document.body.classList.remove(...DENSITIES);
    if (DENSITIES.includes(`density-${value}`)) {
      document.body.classList.add(`density-${value}`);
    }
  },
};

function read(name) {
  const pair = document.cookie.split("; ").find((item) => item.startsWith(`${name}=`));
  return pair ? decodeURIComponent(pair.slice(name.length + 1)) : "";
}

function keep(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
}

function show(control) {
  const value = read(control.dataset.prefer);
  if (!value) {
    return;
  }
  if (control.type === "radio") {
    control.checked = control.value === value;
  } else {
    control.value = value;
  }
}

document.addEventListener("change", (event) => {
  const name = event.target.dataset?.prefer;
  if (name in apply) {
    keep(name, event.target.value);
    apply[name](event.target.value);
  }
});

document.querySelectorAll("[data-prefer]").forEach(show);
