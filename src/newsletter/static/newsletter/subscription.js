// Asks how far the mail is until its job has finished: soon at first, then every three seconds.
"use strict";

const section = document.querySelector("[data-job]");
const beats = document.querySelector(".beats");
const unreachable = section.querySelector(".unreachable");
const SOONEST = 250;
const LATEST = 3000; // milliseconds

function show(state) {
  for (const line of section.querySelectorAll("[data-for]")) {
    line.hidden = !line.dataset.for.split(" ").includes(state);
  }
  beats.dataset.state = state;
}

async function look(wait) {
  let job;
  try {
    const answer = await fetch(section.dataset.job, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    job = await answer.json();
  } catch {
    unreachable.hidden = false;
    return later(LATEST);
  }
  unreachable.hidden = true;
  show(job.state);
  if (!job.finished) later(Math.min(wait * 1.5, LATEST));
}

function later(wait) {
  setTimeout(look, wait, wait);
}

later(SOONEST);
