// The rows of the list that are in sight, and space in the place of the others: ten thousand cost what fifty do.

import { at, element, since } from "./dom.js";

const SPARE = 10; // rows above and below those in sight
const HEIGHT = 31; // of a row, before one was drawn

export class Rows {
  constructor(choose) {
    this.choose = choose;
    this.chosen = "";
    this.jobs = [];
    this.height = HEIGHT;
    this.focused = ""; // the submission whose row the keyboard is at
    addEventListener("scroll", () => this.#draw(), { capture: true, passive: true });
    addEventListener("resize", () => this.#draw());
    at("list").addEventListener("keydown", (event) => this.#key(event));
    at("rows").addEventListener("focusin", (event) => { this.focused = event.target.dataset.submission; });
    setInterval(() => this.#ages(), 5000);
  }

  // Show these jobs; what is in sight stays where it is while rows come above it.
  show(jobs) {
    const top = this.#top(), before = this.jobs[top];
    this.jobs = jobs;
    at("table").setAttribute("aria-rowcount", String(jobs.length + 1));
    const now = top > 0 ? jobs.indexOf(before) : -1;
    this.#draw();
    if (now >= 0 && now !== top) this.#scroller().scrollTop += (now - top) * this.height;
  }

  #scroller() {
    const list = at("list");
    return getComputedStyle(list).overflowY === "auto" ? list : document.scrollingElement;
  }

  // Return how many rows are above those in sight.
  #top() {
    const edge = Math.max(0, at("list").getBoundingClientRect().top + at("head").offsetHeight);
    return Math.max(0, Math.floor((edge - at("above").getBoundingClientRect().top) / this.height));
  }

  #draw() {
    const end = Math.min(innerHeight, at("list").getBoundingClientRect().bottom);
    const seen = Math.max(0, Math.ceil((end - at("above").getBoundingClientRect().top) / this.height));
    const last = Math.min(this.jobs.length, seen + SPARE);
    const first = Math.max(0, Math.min(this.#top(), last) - SPARE);
    const had = document.activeElement?.dataset?.submission;
    at("above").style.height = `${first * this.height}px`;
    at("below").style.height = `${(this.jobs.length - last) * this.height}px`;
    at("rows").replaceChildren(...this.jobs.slice(first, last).map((job, index) => this.#row(job, first + index)));
    if (had) (this.#link(had) || at("list")).focus({ preventScroll: true });
    this.height = at("rows").firstElementChild?.getBoundingClientRect().height || this.height;
  }

  #row(job, index) {
    const place = `${job.project}/${job.name}`;
    return element("tr", { class: place === this.chosen ? "chosen" : null, "aria-rowindex": String(index + 2) },
      element("td", {}, element("a", {
        href: `?job=${encodeURIComponent(place)}`, "data-submission": job.submission, title: job.name,
        "aria-current": place === this.chosen ? "true" : null,
        onclick: (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          this.choose(place);
        },
      }, job.name)),
      element("td", {}, job.project),
      element("td", { class: job.phase }, job.status === job.phase ? job.phase : `${job.phase} (${job.status})`),
      element("td", { title: job.why }, job.why),
      element("td", { class: "number" }, String(job.gpus || "")),
      element("td", { title: job.user }, job.user),
      element("td", { class: "number", "data-since": job.createdAt }, since(job.createdAt)));
  }

  // Go back with the keyboard to the row of the job `<project>/<name>`.
  focus(place) {
    const job = this.jobs.find((each) => `${each.project}/${each.name}` === place);
    (job && this.#link(job.submission) || at("list")).focus();
  }

  #link(submission) {
    return at("rows").querySelector(`a[data-submission="${CSS.escape(submission)}"]`);
  }

  // Move from row to row, as in any list.
  #key(event) {
    const page = Math.max(1, Math.floor(at("list").clientHeight / this.height) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.jobs.length, End: this.jobs.length };
    const step = steps[event.key];
    if (!step || this.jobs.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = this.jobs.findIndex((job) => job.submission === this.focused);
    const to = from < 0 ? this.#top() : Math.min(this.jobs.length - 1, Math.max(0, from + step));
    const { submission } = this.jobs[to];
    const scroller = this.#scroller(), start = at("above").getBoundingClientRect().top;
    const [low, high] = [Math.max(0, at("list").getBoundingClientRect().top) + at("head").offsetHeight, Math.min(innerHeight, at("list").getBoundingClientRect().bottom)];
    const above = start + to * this.height - low, below = start + (to + 1) * this.height - high;
    if (above < 0) scroller.scrollTop += above; else if (below > 0) scroller.scrollTop += below;
    this.#draw();
    this.#link(submission)?.focus({ preventScroll: true });
  }

  #ages() {
    for (const cell of document.querySelectorAll("[data-since]")) cell.textContent = since(Number(cell.dataset.since));
  }
}
