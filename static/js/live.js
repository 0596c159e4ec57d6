// Live updates. The socket says what changed, by ids; whoever shows it asks for it again:
// "delivery-changed", "domain-changed", "mailbox-changed", "drafts-changed" on the body, and "resync"
// once the connection is there, first or again, because anything may have changed without it.

const PING_MS = 30_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const LOGGED_OUT = 4401;

const last = new Map(); // when each event was last told, and what it said

let socket = null;
let wait = FIRST_WAIT_MS;
let heardAt = 0;

function tell(name, detail) {
  last.set(name, { at: performance.now(), detail });
  dispatch(name, detail);
}

function dispatch(name, detail) {
  document.body.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
}

// What arrived while a part was being asked for was heard by a part that is gone now, and the new one may
// be older than it.
function tellAgain({ detail }) {
  const requestConfig = detail?.requestConfig;
  const began = requestConfig?.began;
  if (began === undefined) {
    return;
  }
  requestConfig.began = undefined;
  for (const [name, { at, detail }] of last) {
    if (at >= began) {
      dispatch(name, detail);
    }
  }
}

function onMessage(event) {
  heardAt = Date.now();
  const { event: kind, ids } = JSON.parse(event.data);
  if (kind !== "pong") {
    tell(kind, ids);
  }
}

function onOpen() {
  heardAt = Date.now();
  wait = FIRST_WAIT_MS;
  document.body.dataset.live = "on";
  tell("resync", {});
}

function onClose(event) {
  document.body.dataset.live = "off";
  if (event.code === LOGGED_OUT) {
    location.reload();
    return;
  }
  // Spread the return of many pages after a restart.
  setTimeout(connect, wait * (0.75 + Math.random() / 2));
  wait = Math.min(2 * wait, LONGEST_WAIT_MS);
}

function connect() {
  if (socket && socket.readyState <= WebSocket.OPEN) {
    return;
  }
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws/`);
  socket.addEventListener("open", onOpen);
  socket.addEventListener("message", onMessage);
  socket.addEventListener("close", onClose);
}

function ping() {
  if (socket?.readyState !== WebSocket.OPEN) {
    return;
  }
  if (Date.now() - heardAt > 2.5 * PING_MS) {
    socket.close();
    return;
  }
  socket.send('{"ping":true}');
}

document.body.addEventListener("htmx:beforeRequest", ({ detail }) => {
  detail.requestConfig.began = performance.now();
});
document.body.addEventListener("htmx:afterSettle", tellAgain);
setInterval(ping, PING_MS);
addEventListener("online", connect);
document.addEventListener("visibilitychange", () => document.hidden || connect());
connect();
