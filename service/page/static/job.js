// One job: what it is, why it waits, its time line, its log, how to ask for it by hand, and its end.

import { Refused, send } from "./api.js";
import { byHand } from "./byhand.js";
import { at, clock, element } from "./dom.js";
import { Log } from "./log.js";

export class Job {
  constructor(close, trouble) {
    this.close = close;
    this.trouble = trouble;
    this.place = "";
    this.state = null;
    this.log = null;
    at("job").addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  }

  // Show the job `<project>/<name>`, or nothing.
  async show(place) {
    this.log?.close();
    this.log = null;
    this.place = place;
    this.state = null;
    at("job").hidden = !place;
    if (!place) return;
    at("job").replaceChildren(element("h2", { tabindex: "-1" }, place));
    await this.refresh();
  }

  // Ask for the job anew: events that told of it may have been missed.
  async refresh() {
    const place = this.place;
    if (!place) return;
    try {
      const response = await send(this.#path());
      if (this.place === place) this.tell(await response.json());
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 401) throw error;
      if (this.place !== place || this.state) return;
      at("job").replaceChildren(
        element("h2", { tabindex: "-1" }, place), element("p", { role: "alert" }, error.message), this.#closer());
    }
  }

  #names() {
    const slash = this.place.indexOf("/");
    return slash < 0 ? [this.place, ""] : [this.place.slice(0, slash), this.place.slice(slash + 1)];
  }

  #path(more = "") {
    return `/api/v1/jobs/${this.#names().map(encodeURIComponent).join("/")}${more}`;
  }

  tell(job) {
    if (`${job.project}/${job.name}` !== this.place) return;
    if (this.state && this.state.id !== job.id && job.createdAt < this.state.createdAt) return;
    if (Array.isArray(job.images)) job.images = job.images.join(",");
    const first = this.state === null;
    this.state = job;
    if (first) {
      this.facts = element("div", { "aria-live": "polite" });
      this.log = new Log(this.#path("/logs"));
      at("job").replaceChildren(element("h2", { tabindex: "-1" }, this.place), this.facts, this.#actions(), this.log.shown,
        byHand(job, this.#path()), this.#raw());
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

  #toggleLog() {
    const opens = this.log.shown.hidden;
    this.logger.setAttribute("aria-expanded", String(opens));
    if (opens) this.log.open(); else this.log.close();
  }
}
