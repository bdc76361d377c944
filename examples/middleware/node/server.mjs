// A small platform that asks Trueprint's gate before it publishes an upload: docs/middleware.md says how.
// Node 18 or newer, no dependencies. Put in your own: who is logged in (`uploaderOf`), where files lie.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const DEADLINE_MS = 5_000; // within which the registry decides, or answers with `on_failure`
const AWAY_AFTER_MS = 10_000; // the deadline, and what the file needs on its way
const LOOK_AGAIN_MS = 60_000;
const LOOKED_FOR_MS = 7 * 86_400_000; // what is held for longer only your people end
const SIGNED_WITHIN_S = 300;
const MOST_BYTES = 50 * 2 ** 20;
const MOST_WEBHOOK_BYTES = 2 ** 20;
const STATUS = { hold: 202, refuse: 451 }; // of an outcome; any other is published: 200

function setting(name, otherwise) {
  const value = process.env[name] ?? otherwise;
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const REGISTRY = setting("TRUEPRINT_URL").replace(/\/$/, "");
const API_KEY = setting("TRUEPRINT_API_KEY");
const SECRET = Buffer.from(setting("TRUEPRINT_WEBHOOK_SECRET").replace(/^whsec_/, ""), "base64");
const WEBHOOK_URL = setting("WEBHOOK_URL", "");
const ON_FAILURE = setting("ON_FAILURE", "hold");
if (!["allow", "hold", "refuse"].includes(ON_FAILURE)) throw new Error("ON_FAILURE: allow, hold or refuse");
const HELD = join(setting("UPLOADS"), "held");
const PUBLISHED = join(setting("UPLOADS"), "published");

// Who is logged in: ask your own session. The registry keeps a digest of it only.
const uploaderOf = (_request) => "somebody";

// The registry's decision; null: there is none, and `on_failure` it is. Of an upload nothing is logged
// but our own name for it.
async function ask(ref, path, options = {}) {
  try {
    const response = await fetch(REGISTRY + path, {
      ...options,
      headers: { Authorization: `Bearer ${API_KEY}`, ...options.headers },
      signal: AbortSignal.timeout(AWAY_AFTER_MS),
    });
    const answer = await response.json();
    if ([200, 202, 451].includes(response.status) && answer.outcome) return answer;
    console.error(`${ref}: the registry answered ${response.status} ${answer.code ?? ""}`);
  } catch (error) {
    console.error(`${ref}: no answer from the registry: ${error.cause?.code ?? error.name}`);
  }
  return null;
}

// The key is our own name of the upload: asked twice, it is decided about once.
function askGate(content, context) {
  const form = new FormData();
  form.set("media", new Blob([content]), "media");
  form.set("context", JSON.stringify(context));
  if (WEBHOOK_URL) form.set("webhook", WEBHOOK_URL);
  const ref = context.content_ref;
  // respond-async: a video is held at once, and its webhook ends that; waited for, it would run into the
  // deadline, and be `on_failure`'s.
  const headers = { "Idempotency-Key": ref, Prefer: "respond-async" };
  return ask(ref, "/v1/gate", { method: "POST", body: form, headers });
}

const noted = (context, decision) => ({
  context,
  outcome: decision?.outcome ?? ON_FAILURE,
  decision: decision?.id ?? null,
  failed: decision?.state === "failed", // it answered `on_failure`, and may know more by now
  label: decision?.label?.text ?? null,
});
const isOpen = (note) => note.outcome === "hold" || note.decision === null || note.failed;

const noteOf = (folder, ref) => join(folder, `${ref}.json`);
const readNote = async (folder, ref) => JSON.parse(await readFile(noteOf(folder, ref), "utf8"));

async function folderOf(ref) {
  if (!/^[0-9a-f]{32}$/.test(ref)) return null; // not ours, or a path
  for (const folder of [HELD, PUBLISHED]) {
    if (await stat(join(folder, ref)).catch(() => null)) return folder;
  }
  return null;
}

// Stores an upload; first where nobody sees it, so that half a file is never published.
async function put(ref, content, note) {
  if (note.outcome === "refuse") return;
  await writeFile(noteOf(HELD, ref), JSON.stringify(note));
  await writeFile(join(HELD, ref), content);
  await move(ref, note);
}

// Publishes, holds or deletes what is stored, as its note says now.
async function move(ref, note) {
  const here = await folderOf(ref);
  if (here === null) return;
  const there = note.outcome === "refuse" ? null : note.outcome === "hold" ? HELD : PUBLISHED;
  if (there === null) {
    await rm(join(here, ref));
  } else {
    await writeFile(noteOf(there, ref), JSON.stringify(note));
    await rename(join(here, ref), join(there, ref));
  }
  if (there !== here) await rm(noteOf(here, ref), { force: true });
}

// Does what is decided about an upload by now; whether the registry answered.
async function lookAgain(ref) {
  const folder = await folderOf(ref);
  if (folder === null) return true;
  const note = await readNote(folder, ref);
  const decision = note.decision
    ? await ask(ref, `/v1/decisions/${encodeURIComponent(note.decision)}`)
    : await askGate(await readFile(join(folder, ref)), note.context);
  const changed = decision && noted(note.context, decision);
  if (changed && JSON.stringify(changed) !== JSON.stringify(note)) await move(ref, changed);
  return decision !== null;
}

// After an outage, a lost webhook, a review: what is held does not stay held for ever.
async function keepLooking() {
  for (const folder of [HELD, PUBLISHED]) {
    for (const name of (await readdir(folder)).filter((one) => one.endsWith(".json"))) {
      try {
        const isYoung = (await stat(join(folder, name))).mtimeMs > Date.now() - LOOKED_FOR_MS;
        const ref = name.slice(0, -".json".length);
        if (isYoung && isOpen(await readNote(folder, ref))) await lookAgain(ref);
      } catch (error) {
        console.error(`${name}: not looked at: ${error.code ?? error.name}`);
      }
    }
  }
}

const look = () =>
  keepLooking()
    .catch((error) => console.error(`not looked at: ${error.code ?? error.name}`))
    .finally(() => setTimeout(look, LOOK_AGAIN_MS));

class TooLong extends Error {}

async function bodyOf(request, most) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    if ((size += piece.length) > most) throw new TooLong();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

// Asks, and then publishes (200), holds (202) or refuses (451). The body is the file.
async function upload(request) {
  const content = await bodyOf(request, MOST_BYTES);
  const ref = randomUUID().replaceAll("-", "");
  const language = /^[a-z]{2}/.exec(request.headers["accept-language"] ?? "")?.[0] ?? "en";
  const context = {
    content_ref: ref,
    uploader_ref: uploaderOf(request),
    audience: "public",
    language,
    deadline_ms: DEADLINE_MS,
    on_failure: ON_FAILURE,
  };
  const decision = await askGate(content, context);
  const note = noted(context, decision);
  await put(ref, content, note);
  if (decision === null && note.outcome === "refuse") return [503, { error: "try again later" }];
  const told = { ref, outcome: note.outcome, label: note.label };
  if (decision?.statement && decision.outcome !== "allow") {
    told.reasons = decision.statement.paragraphs;
    told.explained_at = decision.links.explain;
    told.dispute_at = decision.links.dispute;
  }
  return [STATUS[note.outcome] ?? 200, told];
}

// Standard Webhooks: HMAC-SHA256 over id, time and body; the header may carry several signatures.
function isSigned(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signatures } = headers;
  if (!id || !signatures || !(Math.abs(Date.now() / 1000 - Number(at)) <= SIGNED_WITHIN_S)) return false;
  const expected = createHmac("sha256", SECRET).update(`${id}.${at}.`).update(body).digest();
  return signatures.split(" ").some((one) => {
    const [version, value] = one.split(",");
    const given = Buffer.from(value ?? "", "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

// A video is done: its newest decision is asked for, so that deliveries may come late or twice.
async function toldByRegistry(request) {
  const body = await bodyOf(request, MOST_WEBHOOK_BYTES);
  if (!isSigned(request.headers, body)) return [401, {}];
  const ref = JSON.parse(body).decision?.content_ref;
  return !ref || (await lookAgain(ref)) ? [204] : [503, {}]; // 503: it is delivered again
}

const ROUTES = { "POST /upload": upload, "POST /webhooks/trueprint": toldByRegistry };

async function answer(request, response) {
  let status, body;
  try {
    const route = ROUTES[`${request.method} ${request.url}`];
    [status, body] = route ? await route(request) : [404, {}];
  } catch (error) {
    status = error instanceof TooLong ? 413 : 500;
    if (status === 500) console.error(`not answered: ${error.code ?? error.name}`);
    body = {};
    response.setHeader("Connection", "close");
  }
  response.writeHead(status, body ? { "Content-Type": "application/json" } : {});
  response.end(body && JSON.stringify(body));
}

for (const folder of [HELD, PUBLISHED]) await mkdir(folder, { recursive: true });
const server = createServer(answer);
server.listen(Number(setting("PORT", "8000")), setting("HOST", "127.0.0.1"), () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
look();
