// What this tab has submitted and what is not in the list yet: where each waits, or why it was refused.

import { credentials, Refused, send } from "./api.js";
import { at, element } from "./dom.js";

const KEPT = "job-submission.underway";
const MOST = 20;
const UNKNOWN = 5; // answers in a row that nobody knows of it: one may be of a process that has just started
const POLL_MILLISECONDS = 1000;

export class UnderWay {
  constructor(choose) {
    this.choose = choose;
    this.all = JSON.parse(sessionStorage.getItem(KEPT) || "[]"); // the newest first; `id` is the key of the submission
    this.polling = 0;
    this.draw();
    this.poll();
  }

  add(id, project, what) {
    this.all = [{ id, project, what, said: "accepted" }, ...this.all.filter((each) => each.id !== id)].slice(0, MOST);
    this.#changed();
    this.poll();
  }

  // Forget all: somebody else may log in here.
  forget() { this.#keep(() => false); }

  // Forget those whose jobs are known.
  arrived(isKnown) {
    if (this.all.some((each) => isKnown(each.id))) this.#keep((each) => !isKnown(each.id));
  }

  // Ask for those that have no outcome, until there are none.
  async poll() {
    if (credentials.get() && !document.hidden) {
      for (const each of this.all.filter((one) => !one.ended)) await this.#ask(each);
      this.#changed();
    }
    clearTimeout(this.polling);
    if (this.all.some((one) => !one.ended)) this.polling = setTimeout(() => this.poll(), POLL_MILLISECONDS);
  }

  async #ask(each) {
    try {
      const told = await (await send(`/api/submissions/${each.id}`)).json();
      if (told.status === 202) {
        each.said = told.waiting ? `on the topic: ${told.waiting.sentence}` : "accepted";
        each.next = told.waiting?.next;
      } else {
        each.ended = true;
        each.next = "";
        each.name = told.name;
        each.said = told.reason ? `refused, ${told.reason}: ${told.message}` : "created";
        each.refused = Boolean(told.reason);
      }
    } catch (error) {
      each.said = error.message;
      each.unknown = error instanceof Refused && error.status === 404 ? (each.unknown || 0) + 1 : 0;
      each.ended = each.unknown >= UNKNOWN;
    }
  }

  #keep(which) {
    this.all = this.all.filter(which);
    this.#changed();
  }

  #changed() {
    if (this.all.length) sessionStorage.setItem(KEPT, JSON.stringify(this.all)); else sessionStorage.removeItem(KEPT);
    this.draw();
  }

  draw() {
    at("under-way").hidden = this.all.length === 0;
    at("under-way-list").replaceChildren(...this.all.map((each) => element("li", { class: each.refused ? "Failed" : null },
      element("span", {}, element("strong", {}, each.what), ` ${each.said}. `, each.next ? `What you can do: ${each.next}. ` : ""),
      each.name && element("button", { type: "button", onclick: () => {
        this.#keep((other) => other !== each);
        this.choose(`${each.project}/${each.name}`);
      } }, "Show"),
      each.ended && element("button", {
        type: "button", "aria-label": `Dismiss ${each.what}`, onclick: () => this.#keep((other) => other !== each),
      }, "Dismiss"))));
  }
}
