// Enqueues the job that counts a file's words, prints its progress as it comes, and then its result. Node 18 or newer, no package.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

const TASK = "reports.tasks.count_words";
const { OFFBEAT_URL, OFFBEAT_TOKEN } = process.env;

async function call(path, options = {}) {
  const headers = { Authorization: `Bearer ${OFFBEAT_TOKEN}`, ...options.headers };
  const answer = await fetch(new URL(path, OFFBEAT_URL), { ...options, headers });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer;
}

async function enqueue(text) {
  const answer = await call("/api/jobs", {
    method: "POST",
    // Started again with the same file, it finds the job that exists.
    headers: { "Content-Type": "application/json", "Idempotency-Key": createHash("sha256").update(text).digest("hex") },
    body: JSON.stringify({ task: TASK, args: [text] }),
  });
  return answer.json();
}

// Gives each event of the job; the server ends the stream with "end", or earlier: then we go on after the last event that we have.
async function* follow(job) {
  for (let last = ""; ; await new Promise((resolve) => setTimeout(resolve, 2000))) {
    const { body } = await call(job.events_url, { headers: last ? { "Last-Event-ID": last } : {} });
    let rest = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const events = (rest + chunk).split("\n\n");
      rest = events.pop();
      for (const fields of events.map((event) => Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/, 2))))) {
        if (!fields.data) continue;
        last = fields.id;
        yield { name: fields.event, job: JSON.parse(fields.data) };
        if (fields.event === "end") return;
      }
    }
  }
}

const job = await enqueue(await readFile(process.argv[2], "utf8"));
console.log(`enqueued ${job.id}`);
for await (const { name, job: now } of follow(job)) {
  console.log(name, now.state, now.progress ? `${now.progress.done} of ${now.progress.total}` : "");
  if (name === "end") console.log(now.state === "succeeded" ? now.result : now.error);
}
