// Keeps an open page up to date: clocks tick here, the rest is asked for by htmx.
"use strict";

const live = document.getElementById("live");
const stale = document.getElementById("stale");
const liveSwitch = document.getElementById("live-switch");
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
let ahead = 0; // milliseconds that the server's clock is ahead of this one
let answeredAt = new Date();
let isPaused = sessionStorage.getItem("ops-paused") === "yes";

function duration(seconds) {
  let rest = Math.floor(Math.abs(seconds));
  const parts = [];
  for (const [size, unit] of UNITS) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count) parts.push(`${count} ${unit}`);
    else if (parts.length) break; // "2 d", not "2 d 9 s"
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

function words(element, now) {
  const distance = (now - Date.parse(element.dateTime)) / 1000;
  if ("age" in element.dataset) return duration(Math.max(0, distance));
  if ("ago" in element.dataset) return distance >= 0 ? `${duration(distance)} ago` : `in ${duration(distance)}`;
  return element.textContent;
}

function tick() {
  const now = Date.now() + ahead;
  for (const element of live.querySelectorAll("time")) {
    const text = words(element, now);
    if (element.textContent !== text) element.textContent = text;
    if (!element.dataset.told) {
      element.dataset.told = "yes";
      element.title = `${element.title} · ${new Date(element.dateTime).toLocaleString()} here`;
    }
  }
}

function answered() {
  const clock = document.getElementById("clock") || live;
  ahead = Date.parse(clock.dataset.clock) - Date.now();
  answeredAt = new Date();
  stale.hidden = true;
  tick();
}

function silent() {
  stale.querySelector("span").textContent = answeredAt.toLocaleTimeString();
  stale.hidden = false;
}

function setPaused(paused) {
  isPaused = paused;
  sessionStorage.setItem("ops-paused", paused ? "yes" : "no");
  liveSwitch.setAttribute("aria-pressed", String(!paused));
}

// Nobody looks, or somebody wants the page to hold still, or selects rows, or reads one that is open: no request.
live.addEventListener("htmx:config:request", (event) => {
  if (isPaused || document.hidden || live.querySelector(".jobs input:checked, .jobs details[open]")) event.preventDefault();
});
live.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.response.status < 400) answered(); // htmx tells of a swap after an error too
});
live.addEventListener("htmx:error", silent);
live.addEventListener("htmx:response:error", silent);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) live.dispatchEvent(new Event("refresh"));
});

// Who presses twice means once: the server may be slow, and some acts are done as often as they are asked for.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // from the browser's memory, with its forms as they were sent
});

if (liveSwitch) {
  liveSwitch.hidden = false;
  setPaused(isPaused);
  liveSwitch.addEventListener("click", () => {
    setPaused(!isPaused);
    live.dispatchEvent(new Event("refresh"));
  });
}
answered();
setInterval(tick, 1000);
