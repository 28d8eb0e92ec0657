// The form of a submission, made from its JSON Schema: a parameter that is new there is new here.

import { Refused, send } from "./api.js";
import { at, element } from "./dom.js";

const FIRST = ["project", "image", "name", "command", "gpu", "cpu", "memory", "interactive"];
const DRAFT = "job-submission.draft"; // what was written when the token had expired: logging in may leave the page
const WAIT_SECONDS = 5; // most outcomes come within a second

// Whether nothing more can come of what was sent: not where a proxy gave up waiting, or the service cannot tell.
const isOutcome = (error) =>
  error instanceof Refused && Boolean(error.reason) && error.status !== 503 && error.reason !== "InternalError";

export class SubmitForm {
  constructor(choose, underWay, trouble) {
    this.choose = choose;
    this.underWay = underWay;
    this.trouble = trouble;
    this.fields = new Map();
    this.sent = { body: "", key: "" };
    this.dialog = at("submit");
    at("submit-close").addEventListener("click", () => this.dialog.close());
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(event.submitter?.value === "try");
    });
  }

  async open(project) {
    if (this.fields.size === 0) {
      const schema = (await (await send("/schemas/submission.json")).json()).$defs.Job;
      const required = new Set(schema.required);
      for (const name of [...FIRST, ...Object.keys(schema.properties).filter((each) => !FIRST.includes(each))]) {
        const field = new Field(name, schema.properties[name], required.has(name));
        this.fields.set(name, field);
        at(FIRST.includes(name) ? "fields" : "more-fields").append(field.shown);
      }
    }
    const draft = JSON.parse(sessionStorage.getItem(DRAFT) || "{}");
    sessionStorage.removeItem(DRAFT);
    for (const [name, written] of Object.entries(draft)) this.fields.get(name)?.write(written);
    at("submit-said").textContent = "";
    if (project) this.fields.get("project").input.value = project;
    this.dialog.showModal();
  }

  // The same body is the same submission until its outcome is known: a second click makes no second job.
  #keyOf(body) {
    if (this.sent.body !== body) {
      const random = crypto.getRandomValues(new Uint8Array(16));
      this.sent = { body, key: [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
    }
    return this.sent.key;
  }

  #job() {
    const job = {};
    let sound = true;
    for (const [name, field] of this.fields) {
      field.tell("");
      try {
        const value = field.value();
        if (value !== undefined) job[name] = value;
      } catch {
        field.tell("must be JSON");
        sound = false;
      }
    }
    return sound ? job : null;
  }

  async #send(isDry) {
    const job = this.#job();
    if (job === null) return;
    const said = at("submit-said");
    const body = JSON.stringify({ job });
    said.textContent = "on its way …";
    try {
      const response = await send(`/api/job${isDry ? "?dryRun=true" : ""}`, {
        method: "POST", body,
        more: { "Content-Type": "application/json", "Idempotency-Key": this.#keyOf(body), Prefer: `wait=${WAIT_SECONDS}` },
      });
      const answer = await response.json();
      const warnings = response.headers.get("Warning");
      if (response.status === 202) {
        this.sent = { body: "", key: "" };
        this.dialog.close();
        this.underWay.add(answer.id, job.project, `${job.project}/${answer.name || job.name || job.image}`);
      } else if (isDry) {
        said.textContent = `would be created: ${answer.name}${warnings ? `. ${warnings}` : ""}`;
      } else {
        this.sent = { body: "", key: "" };
        this.dialog.close();
        this.choose(`${job.project}/${answer.name}`);
      }
    } catch (error) {
      said.textContent = error.message;
      if (isOutcome(error)) this.sent = { body: "", key: "" };
      if (error instanceof Refused && error.status === 401) {
        sessionStorage.setItem(DRAFT, JSON.stringify(Object.fromEntries([...this.fields].map(([name, field]) => [name, field.written()]))));
        this.dialog.close();
        this.trouble(error);
      }
      if (Array.isArray(error.details)) this.#faults(error.details);
    }
  }

  #faults(faults) {
    for (const { path, message } of faults) {
      const field = this.fields.get(/^job\.(\w+)/.exec(path)?.[1]);
      if (!field) continue;
      field.tell(message);
      if (at("more-fields").contains(field.shown)) at("rest").open = true;
    }
  }
}

// One parameter: what is written in it, as its schema has it.
class Field {
  constructor(name, schema, required) {
    this.types = [schema, ...(schema.anyOf || [])].map((each) => each.type).filter(Boolean);
    this.input = this.#input(name, schema, required);
    this.fault = element("p", { class: "fault", id: `fault-${name}` });
    this.shown = element("div", { class: "field" },
      element("label", {}, required ? `${name} (required)` : name, this.input),
      element("small", { id: `about-${name}` }, schema.description || ""), this.fault);
  }

  #input(name, schema, required) {
    const about = { name, "aria-describedby": `about-${name} fault-${name}` };
    if (this.types.includes("boolean")) return element("input", { type: "checkbox", ...about });
    if (schema.enum) {
      return element("select", about, element("option", { value: "" }, "—"), ...schema.enum.map((word) => element("option", {}, word)));
    }
    if (this.#isJson()) return element("textarea", { rows: "2", placeholder: this.types.includes("array") ? "[…]" : "{…}", ...about });
    if (this.types.every((type) => type === "number" || type === "integer")) {
      return element("input", { type: "number", step: "any", ...about });
    }
    return element("input", { autocomplete: "off", required, ...about });
  }

  #isJson() {
    return !this.types.includes("string") && (this.types.includes("array") || this.types.includes("object"));
  }

  // What was given, undefined for nothing; throws SyntaxError for what should be JSON and is none.
  value() {
    if (this.input.type === "checkbox") return this.input.checked || undefined;
    const text = this.input.value.trim();
    if (text === "") return undefined;
    if (this.input.type === "number") return Number(text);
    return this.#isJson() ? JSON.parse(text) : text;
  }

  written() { return this.input.type === "checkbox" ? this.input.checked : this.input.value; }

  write(written) {
    if (this.input.type === "checkbox") this.input.checked = written; else this.input.value = written;
  }

  tell(fault) {
    this.fault.textContent = fault;
    if (fault) this.input.setAttribute("aria-invalid", "true"); else this.input.removeAttribute("aria-invalid");
  }
}
