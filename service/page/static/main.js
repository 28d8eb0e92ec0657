// Puts the page together: the filter in the URL, the list, the events that keep it true, one job, the login.

import { credentials, follow, Refused, send } from "./api.js";
import { at, element } from "./dom.js";
import { Job } from "./job.js";
import { List } from "./list.js";
import { SubmitForm } from "./submit.js";

const FILTERS = ["project", "name", "user", "phase", "reason", "type", "deleted"];
const LASTING = ["project", "name", "user", "type"]; // what an event cannot change: those the service filters for us
const PHASES = ["Queued", "Pending", "Starting", "Running", "Suspended", "Succeeded", "Failed", "Deleting", "Deleted", "Unknown"];
const RETRY_MILLISECONDS = 2000;
const TYPING_MILLISECONDS = 200; // after the last letter the service is asked

const form = at("filter");
let stop = new AbortController();
let cursor = null;
let typing = 0;
let position = { last: "" };

const chosen = () => new URLSearchParams(location.search);
const list = new List(choose, (phase) => { form.phase.value = phase; filtered(); });
const job = new Job(() => choose(""), trouble);
const submitForm = new SubmitForm(choose, trouble);

function query(names, more = {}) {
  const asked = new URLSearchParams(more);
  for (const name of names) if (chosen().get(name)) asked.set(name, chosen().get(name));
  return asked;
}

function show(text, on = false) {
  at("live").textContent = text;
  at("live").classList.toggle("on", on);
}

function trouble(error) {
  if (error instanceof Refused && error.status === 401) return logIn(error);
  at("trouble").textContent = error.message;
  at("trouble").hidden = false;
}

// Tell whether a job is one of those asked for: what was loaded is filtered at once, before the service has answered.
function fits(state, anyPhase = false) {
  const wanted = chosen();
  for (const name of ["project", "user", "type"]) if (wanted.get(name) && state[name] !== wanted.get(name)) return false;
  if (wanted.get("name") && !state.name.includes(wanted.get("name"))) return false;
  const gone = state.deletedAt !== null;
  if (gone ? !wanted.get("deleted") : wanted.get("deleted") === "true") return false;
  if (wanted.get("reason") && state.waiting?.reason !== wanted.get("reason")) return false;
  return anyPhase || !wanted.get("phase") || state.phase === wanted.get("phase");
}

// Load a page of the list: without a cursor the first, and then follow what changes.
async function load(next) {
  const names = FILTERS.filter((name) => name !== "phase" || next || chosen().get("phase"));
  const response = await send(`/api/v1/jobs?${query(names, next ? { cursor: next } : {})}`, { signal: stop.signal });
  const page = await response.json();
  cursor = page.next;
  at("more").hidden = cursor === null;
  if (next) return list.goOn(page.data);
  position = { last: response.headers.get("Last-Event-ID") };
  list.begin(page.data);
}

// Load and follow until something else is asked for; a service that is gone is asked again.
async function run() {
  stop.abort();
  const { signal } = stop = new AbortController();
  let loaded = false;
  while (!signal.aborted) {
    try {
      if (!loaded) await load(null);
      loaded = true;
      await follow(query(LASTING), position, {
        signal,
        onOpen: () => { show("live", true); at("trouble").hidden = true; },
        onEvent: (state) => { list.tell(state); job.tell(state); },
        onResync: () => { loaded = false; },
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) {
        trouble(error);
        if (error.status === 401 || error.status === 400) return;
        loaded = false;
      }
    }
    if (signal.aborted) return;
    show("the connection is gone: trying again");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
  }
}

function choose(place) {
  const url = new URL(location.href);
  if (place) url.searchParams.set("job", place); else url.searchParams.delete("job");
  history.pushState(null, "", url);
  showJob().then(() => place && at("job").querySelector("h2")?.focus());
}

async function showJob() {
  const place = chosen().get("job") || "";
  list.chosen = place;
  list.draw();
  try { await job.show(place); } catch (error) { trouble(error); }
}

// Take the form into the URL, and the URL into the list.
function filtered() {
  const url = new URL(location.href);
  for (const name of FILTERS) {
    const value = form[name].value.trim();
    if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
  list.phase = chosen().get("phase") || "";
  list.draw();
  clearTimeout(typing);
  typing = setTimeout(fromUrl, TYPING_MILLISECONDS);
}

function fromUrl() {
  for (const name of FILTERS) form[name].value = chosen().get(name) || "";
  list.phase = chosen().get("phase") || "";
  at("trouble").hidden = true;
  run();
}

async function logIn(refused) {
  const byToken = /bearer/i.test(refused?.challenge || "");
  const dialog = at("login");
  if (dialog.open) return;
  at("login-what").textContent = byToken
    ? "Paste a token; it is kept in this tab alone."
    : "Users are not verified here: say who you are.";
  at("login-label").textContent = byToken ? "Token" : "User";
  at("secret").type = byToken ? "password" : "text";
  at("login-trouble").textContent = credentials.get() && refused ? refused.message : "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (!at("secret").value) return;
  credentials.set(byToken ? "token" : "user", at("secret").value.trim());
  at("secret").value = "";
  start();
}

function start() {
  const known = credentials.get();
  at("who").textContent = known?.kind === "user" ? `${known.secret}: log out` : known ? "log out" : "log in";
  fromUrl();
  showJob();
  if (known) projects();
}

async function projects() {
  try {
    const { data } = await (await send("/api/v1/projects")).json();
    at("projects").replaceChildren(...data.map(({ name }) => element("option", { value: name })));
  } catch { /* the list says what is wrong */ }
}

list.fits = fits;
form.phase.append(...PHASES.map((phase) => element("option", {}, phase)));
form.addEventListener("input", filtered);
form.addEventListener("reset", () => setTimeout(filtered));
form.addEventListener("submit", (event) => { event.preventDefault(); filtered(); });
at("more").addEventListener("click", () => load(cursor).catch(trouble));
at("who").addEventListener("click", () => { credentials.forget(); list.clear(); start(); });
at("new").addEventListener("click", () => submitForm.open(form.project.value).catch(trouble));
addEventListener("popstate", () => { fromUrl(); showJob(); });
start();
