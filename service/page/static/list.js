// The list: what was loaded, kept up to date by events, and drawn at most once a frame.

import { at, element, since } from "./dom.js";

const PAGE = 1000; // jobs of a page of the API

export class List {
  constructor(choose, filterBy) {
    this.jobs = new Map();
    this.choose = choose;
    this.filterBy = filterBy;
    this.chosen = "";
    this.fits = () => true;
    this.phase = "";
    this.waiting = false;
    this.most = PAGE; // rows that are drawn: as many as were asked for, however many events come
    setInterval(() => this.#ages(), 5000);
  }

  clear() { this.begin([]); }

  // Take the first page of a list.
  begin(jobs) {
    this.jobs.clear();
    this.most = PAGE;
    this.#add(jobs);
  }

  // Take a further page.
  goOn(jobs) {
    this.most += PAGE;
    this.#add(jobs);
  }

  #add(jobs) {
    for (const job of jobs) this.jobs.set(job.id, job);
    this.draw();
  }

  // Take the state of a job, or drop one that no longer fits the filter, whatever its phase: phases are counted.
  tell(job) {
    if (Array.isArray(job.images)) job.images = job.images.join(",");
    if (this.fits(job, true)) this.jobs.set(job.id, job);
    else this.jobs.delete(job.id);
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.#draw(); });
  }

  #draw() {
    const known = [...this.jobs.values()].filter((job) => this.fits(job, true));
    const jobs = known.filter((job) => this.fits(job)).sort((a, b) => b.createdAt - a.createdAt);
    const focused = document.activeElement?.dataset?.job;
    at("rows").replaceChildren(...jobs.slice(0, this.most).map((job) => this.#row(job)));
    if (focused) at("rows").querySelector(`a[data-job="${CSS.escape(focused)}"]`)?.focus();
    at("none").hidden = jobs.length > 0;
    const counts = new Map();
    for (const job of known) counts.set(job.phase, (counts.get(job.phase) || 0) + 1);
    at("counts").replaceChildren(...[...counts].sort().map(([phase, count]) =>
      element("button", {
        type: "button", class: phase, "aria-pressed": String(this.phase === phase),
        onclick: () => this.filterBy(this.phase === phase ? "" : phase),
      }, `${phase} ${count}`)));
    const reasons = new Set(known.map((job) => job.waiting?.reason).filter(Boolean));
    at("reasons").replaceChildren(...[...reasons].map((reason) => element("option", { value: reason })));
  }

  #row(job) {
    const place = `${job.project}/${job.name}`;
    const why = job.waiting ? `${job.waiting.reason}: ${job.waiting.sentence}` : job.exit?.reason || "";
    return element("tr", { class: place === this.chosen ? "chosen" : null },
      element("td", {}, element("a", {
        href: `?job=${encodeURIComponent(place)}`, "data-job": job.id,
        "aria-current": place === this.chosen ? "true" : null,
        onclick: (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          this.choose(place);
        },
      }, job.name)),
      element("td", {}, job.project),
      element("td", { class: job.phase }, job.status === job.phase ? job.phase : `${job.phase} (${job.status})`),
      element("td", {}, why),
      element("td", { class: "number" }, String(job.requestedGPUs || "")),
      element("td", {}, job.user || ""),
      element("td", { class: "number", "data-since": job.createdAt }, since(job.createdAt)));
  }

  #ages() {
    for (const cell of document.querySelectorAll("[data-since]")) cell.textContent = since(Number(cell.dataset.since));
  }
}
