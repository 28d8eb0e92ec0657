// Puts the page together: the filter in the URL, the list, the events that keep it true, one job, the login.

import { credentials, follow, Refused, send, sendPatiently } from "./api.js";
import { counted, showCounts } from "./counts.js";
import { at, element } from "./dom.js";
import { asked, FILTERS, isWithin, LASTING, urlWith } from "./filter.js";
import { Job } from "./job.js";
import { Known, MOST } from "./known.js";
import { Login } from "./login.js";
import { Plots } from "./plots.js";
import { Rows } from "./rows.js";
import { SubmitForm } from "./submit.js";
import { UnderWay } from "./underway.js";

const PHASES = ["Queued", "Pending", "Starting", "Running", "Suspended", "Succeeded", "Failed", "Deleting", "Deleted", "Unknown"];
const PLOT_MILLISECONDS = 5000;
const RETRY_MILLISECONDS = 2000;
const TYPING_MILLISECONDS = 200; // after the last letter the service is asked

const form = at("filter");
const known = new Known();
const rows = new Rows(choose);
const job = new Job(() => choose(""), trouble);
const underWay = new UnderWay(choose);
const submitForm = new SubmitForm(choose, underWay, trouble);
const login = new Login(start);
const plots = new Plots();
let stop = new AbortController();
let loaded = null; // the filter of what is known, null before everything of it is
let position = { last: "" };
let typing = 0, drawing = 0;

function show(text, on = false) {
  at("live").textContent = text;
  at("live").classList.toggle("on", on);
}

function trouble(error) {
  if (error instanceof Refused && error.status === 401) {
    show("not logged in");
    return login.ask(error);
  }
  at("trouble").textContent = error.message;
  at("trouble").hidden = false;
}

// Draw what is known, at most once a frame.
function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    const { fitting, counts } = counted(known.jobs, asked());
    rows.show(fitting);
    showCounts(counts, asked(), filterBy);
    at("reasons").replaceChildren(...[...counts.reason.keys()].map((value) => element("option", { value })));
    underWay.arrived((submission) => known.keys.has(submission));
    at("none").hidden = fitting.length > 0 || !loaded;
    at("older").hidden = known.isWhole;
  });
}

function only(wanted, names) {
  return Object.fromEntries(names.filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
}

// Load the jobs that fit, page by page; before the last one nothing is followed, so that no event is overtaken by a page.
async function load(signal) {
  let wanted = only(asked(), [...LASTING, "deleted"]); // whatever their phase and reason: those are counted
  if (!await loadAll(wanted, signal)) {
    wanted = asked();
    if (wanted.phase || wanted.reason) await loadAll(wanted, signal);
  }
  loaded = wanted;
  draw();
}

// Load up to as many jobs as are kept; tell whether those are all.
async function loadAll(wanted, signal) {
  known.clear();
  position = { last: "" };
  for (let cursor = ""; cursor !== null;) {
    const query = new URLSearchParams(cursor ? { ...wanted, cursor } : wanted);
    const response = await sendPatiently(`/api/v1/jobs?${query}`, { signal });
    const page = await response.json();
    signal.throwIfAborted();
    position.last ||= response.headers.get("Last-Event-ID");
    for (const state of page.data) known.put(state, wanted);
    cursor = page.next;
    if (cursor && known.jobs.length >= MOST) {
      known.isWhole = false;
      cursor = null;
    }
    draw();
  }
  return known.isWhole;
}

function take(state) {
  known.put(state, loaded);
  job.tell(state);
  draw();
}

// Load and follow until something else is asked for; a service that is gone is asked again.
async function run() {
  stop.abort();
  const { signal } = stop = new AbortController();
  while (!signal.aborted) {
    let pause = RETRY_MILLISECONDS;
    try {
      if (!loaded) {
        await load(signal);
        job.refresh().catch(trouble);
      }
      await follow(new URLSearchParams(only(loaded, LASTING)), position, {
        signal,
        onOpen: () => { show("live", true); at("trouble").hidden = true; },
        onEvent: take,
        onResync: () => { loaded = null; run(); },
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) {
        trouble(error);
        if (error.status === 401 || error.status === 400) return;
        pause = Math.max(pause, error.retrySeconds * 1000);
      }
    }
    if (signal.aborted) return;
    show("the connection is gone: trying again");
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function choose(place) {
  const before = rows.chosen;
  history.pushState(null, "", urlWith({ job: place }));
  if (!place) rows.focus(before);
  showJob().then(() => place && at("job").querySelector("h2")?.focus());
}

async function showJob() {
  rows.chosen = new URLSearchParams(location.search).get("job") || "";
  document.title = rows.chosen ? `${rows.chosen} - Jobs` : "Jobs";
  draw();
  try { await job.show(rows.chosen); } catch (error) { trouble(error); }
}

function filterBy(name, value) {
  form[name].value = value;
  filtered();
}

// Take the form into the URL, and the URL into the list.
function filtered() {
  history.replaceState(null, "", urlWith(Object.fromEntries(FILTERS.map((name) => [name, form[name].value.trim()]))));
  draw();
  clearTimeout(typing);
  typing = setTimeout(fromUrl, TYPING_MILLISECONDS);
}

// What is known is filtered at once; the service is asked only for what may be missing in it.
function fromUrl() {
  for (const name of FILTERS) form[name].value = asked()[name] || "";
  draw();
  if (loaded && isWithin(asked(), loaded) && known.isWhole) return;
  at("trouble").hidden = true;
  loaded = null;
  run();
}

function start() {
  login.tell();
  loaded = null;
  known.clear();
  fromUrl();
  showJob();
  if (!credentials.get()) return underWay.forget();
  projects();
  plots.refresh();
}

async function projects() {
  try {
    const { data } = await (await send("/api/v1/projects")).json();
    at("projects").replaceChildren(...data.map(({ name }) => element("option", { value: name })));
  } catch { /* the list says what is wrong */ }
}

form.phase.append(...PHASES.map((phase) => element("option", {}, phase)));
form.addEventListener("input", filtered);
form.addEventListener("reset", () => setTimeout(filtered));
form.addEventListener("submit", (event) => { event.preventDefault(); filtered(); });
at("older").append(`These are the newest ${MOST}: a filter reaches older ones.`);
at("new").addEventListener("click", () => submitForm.open(form.project.value).catch(trouble));
addEventListener("popstate", () => { fromUrl(); showJob(); });
// A tab that nobody sees holds no connection: a browser has six to a server, for all its tabs.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop.abort();
  else if (credentials.get()) run();
  if (document.hidden) job.log?.pause(); else job.log?.goOn();
});
setInterval(() => { if (!document.hidden && credentials.get()) plots.refresh(); }, PLOT_MILLISECONDS);
login.begin().then(start);
