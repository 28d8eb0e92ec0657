// The log of a job as it grows: its last part, as plain text, asked for again when it breaks off.

import { readText, Refused, send } from "./api.js";
import { element } from "./dom.js";

const LINES = 200;
const CHARACTERS = 200000;
const RETRY_MILLISECONDS = 2000;

const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-OQ-Z\\^-~])/g; // ECMA-48, 5.3 to 5.6
const BEGUN = /\x1b(?:\[[0-?]{0,99}[ -/]{0,9}|\][^\x07\x1b]{0,999}\x1b?|[ -/]{0,9})?$/; // one that may go on in the next piece
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g; // the last ones turn what follows around

// What a terminal would show of a text that comes in pieces: no colours, and of a line that was written over its last state.
export class Plain {
  constructor() {
    this.done = "";
    this.line = "";
    this.rest = "";
  }

  add(piece) {
    const text = (this.rest + piece).replace(ESCAPES, "");
    const begun = BEGUN.exec(text);
    this.rest = begun ? begun[0] : "";
    const lines = (this.line + text.slice(0, text.length - this.rest.length)).replaceAll("\r\n", "\n").split("\n");
    this.line = lines.pop().slice(-CHARACTERS);
    this.done = (this.done + lines.map((line) => `${shown(line)}\n`).join("")).slice(-CHARACTERS);
  }

  toString() { return this.done + shown(this.line); }
}

function shown(line) {
  let end = line.length;
  while (line[end - 1] === "\r") end -= 1; // what follows will write over the line
  return line.slice(line.lastIndexOf("\r", end - 1) + 1, end).replace(CONTROLS, (sign) => (sign < " " ? String.fromCharCode(0x2400 + sign.charCodeAt(0)) : "\ufffd"));
}

export class Log {
  constructor(path) {
    this.path = path;
    this.stop = null;
    this.pre = element("pre", { tabindex: "0", "aria-label": "Log" });
    this.state = element("p", { class: "dim", role: "status" });
    this.shown = element("div", { hidden: true }, this.pre, this.state);
  }

  close() {
    this.stop?.abort();
    this.stop = null;
    this.shown.hidden = true;
  }

  // Let go of the connection while nobody sees the log.
  pause() { this.stop?.abort(); }

  goOn() { if (!this.shown.hidden) this.open(); }

  // Read until the log has ended or is closed.
  async open() {
    this.close();
    this.shown.hidden = false;
    const { signal } = this.stop = new AbortController();
    while (!signal.aborted) {
      try {
        this.#say("asking for it");
        await this.#read(signal);
        return this.#say("the end of the log");
      } catch (error) {
        if (signal.aborted) return;
        const passes = !(error instanceof Refused) || error.status === 503 || error.status === 429;
        this.#say(error instanceof Refused ? error.message : "the log broke off: asking for it again");
        if (!passes) return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
    }
  }

  async #read(signal) {
    const response = await send(`${this.path}?follow=true&tailLines=${LINES}`, { signal });
    const text = new Plain();
    let drawing = false;
    const draw = () => {
      drawing = false;
      if (signal.aborted) return;
      const atEnd = this.pre.scrollTop + this.pre.clientHeight >= this.pre.scrollHeight - 4;
      this.pre.textContent = text.toString();
      if (atEnd) this.pre.scrollTop = this.pre.scrollHeight;
    };
    this.pre.textContent = "";
    this.#say("live");
    await readText(response, (piece) => {
      text.add(piece);
      if (!drawing) requestAnimationFrame(draw);
      drawing = true;
    });
  }

  #say(text) { this.state.textContent = text; }
}
