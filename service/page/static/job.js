// One job: what it is, why it waits, its time line, its log, how to ask for it by hand, and its end.

import { readText, Refused, send } from "./api.js";
import { at, clock, element } from "./dom.js";

const LOG_LINES = 200;
const LOG_CHARACTERS = 200000;

export class Job {
  constructor(close, trouble) {
    this.close = close;
    this.trouble = trouble;
    this.place = "";
    this.state = null;
    this.log = null;
  }

  // Show the job `<project>/<name>`, or nothing.
  async show(place) {
    this.#stopLog();
    this.place = place;
    this.state = null;
    at("job").hidden = !place;
    if (!place) return;
    at("job").replaceChildren(element("h2", {}, place));
    try {
      const response = await send(this.#path());
      if (this.place === place) this.tell(await response.json());
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 401) throw error;
      if (this.place === place) at("job").replaceChildren(
        element("h2", {}, place), element("p", { role: "alert" }, error.message), this.#closer());
    }
  }

  #path(more = "") {
    const [project, name] = this.place.split("/").map(encodeURIComponent);
    return `/api/v1/jobs/${project}/${name}${more}`;
  }

  tell(job) {
    if (`${job.project}/${job.name}` !== this.place) return;
    if (this.state && this.state.id !== job.id && job.createdAt < this.state.createdAt) return;
    if (Array.isArray(job.images)) job.images = job.images.join(",");
    const first = this.state === null;
    this.state = job;
    if (first) {
      this.facts = element("div", { "aria-live": "polite" });
      this.shown = element("pre", { tabindex: "0", "aria-label": "Log", hidden: true });
      at("job").replaceChildren(
        element("h2", { tabindex: "-1" }, this.place), this.facts, this.#actions(), this.shown, this.#byHand(), this.#raw());
    }
    this.raw.textContent = JSON.stringify(job, null, 2);
    this.canceller.hidden = job.phase === "Deleted" || job.deletedAt !== null;
    this.facts.replaceChildren(...this.#facts(job));
  }

  #facts(job) {
    const pods = Object.entries(job.pods).filter(([, count]) => count).map(([what, count]) => `${count} ${what}`);
    const facts = [
      ["Phase", element("span", { class: job.phase }, job.status === job.phase ? job.phase : `${job.phase} (${job.status})`)],
      ["Image", job.images], ["User", job.user || ""], ["GPUs", `${job.requestedGPUs} asked, ${job.allocatedGPUs} held`],
      ["Pods", pods.join(", ") || "none"], ["Nodes", job.nodes.join(", ")],
    ].filter(([, value]) => value);
    return [
      element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      job.waiting && element("div", { class: "why" },
        element("p", {}, element("strong", {}, `${job.waiting.reason}: `), job.waiting.sentence),
        element("p", {}, `What you can do: ${job.waiting.next}`)),
      job.exit && element("div", {},
        element("h3", {}, `Ended with ${job.exit.code ?? job.exit.reason}`),
        element("pre", { tabindex: "0", "aria-label": "Last lines" }, job.exit.message || job.exit.reason || "")),
      element("h3", {}, "Time line"),
      element("ol", { class: "line" }, ...job.history.map((step) => element("li", {},
        element("time", { datetime: new Date(step.at).toISOString() }, clock(step.at)),
        element("span", { class: step.phase }, step.phase), step.reason || ""))),
    ].filter(Boolean);
  }

  #closer() {
    return element("button", { type: "button", onclick: () => this.close() }, "Close");
  }

  #actions() {
    this.canceller = element("button", { type: "button", class: "danger", onclick: () => this.#cancel() }, "Cancel job");
    this.logger = element("button", { type: "button", "aria-expanded": "false", onclick: () => this.#toggleLog() }, "Log");
    return element("div", { class: "row" }, this.logger, this.canceller, this.#closer());
  }

  #raw() {
    this.raw = element("pre", { tabindex: "0", "aria-label": "State as JSON" });
    return element("details", {}, element("summary", {}, "State as JSON"), this.raw);
  }

  #byHand() {
    const url = `${location.origin}${this.#path()}`;
    const who = "-H \"$CREDENTIALS\"";
    const [project, name] = this.place.split("/");
    const there = `--url ${location.origin} -p ${project} ${name}`;
    const lines = [
      `curl ${who} ${url}`, `curl -N ${who} '${url}/logs?follow=true'`, `curl -X DELETE ${who} ${url}`,
      `jobsub describe ${there}`, `jobsub logs -f ${there}`, `jobsub cancel ${there}`,
    ];
    return element("details", {}, element("summary", {}, "By hand"),
      element("p", {}, "With ", element("code", {}, "CREDENTIALS='RA-USER: you'"), " or ",
        element("code", {}, "CREDENTIALS='Authorization: Bearer …'"), ", or ", element("code", {}, "JOBSUB_TOKEN"), ":"),
      ...lines.map((line) => element("div", { class: "row" },
        element("pre", { tabindex: "0", "aria-label": "Command" }, line),
        element("button", { type: "button", onclick: async (event) => {
          await navigator.clipboard.writeText(line);
          event.target.textContent = "Copied";
        } }, "Copy"))));
  }

  async #cancel() {
    const dialog = at("confirm");
    at("confirm-title").textContent = `Cancel ${this.place}?`;
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue !== "ok") return;
    this.canceller.disabled = true;
    try { await send(this.#path(), { method: "DELETE" }); }
    catch (error) { this.trouble(error); }
    this.canceller.disabled = false;
  }

  #stopLog() {
    this.log?.abort();
    this.log = null;
  }

  async #toggleLog() {
    const open = this.shown.hidden;
    this.#stopLog();
    this.shown.hidden = !open;
    this.logger.setAttribute("aria-expanded", String(open));
    if (!open) return;
    const stop = this.log = new AbortController();
    const shown = this.shown;
    shown.textContent = "";
    try {
      const response = await send(this.#path(`/logs?follow=true&tailLines=${LOG_LINES}`), { signal: stop.signal });
      await readText(response, (text) => {
        const atEnd = shown.scrollTop + shown.clientHeight >= shown.scrollHeight - 4;
        shown.textContent = (shown.textContent + text).slice(-LOG_CHARACTERS);
        if (atEnd) shown.scrollTop = shown.scrollHeight;
      });
    } catch (error) {
      if (!stop.signal.aborted) shown.textContent += `\n(${error.message})`;
    }
  }
}
