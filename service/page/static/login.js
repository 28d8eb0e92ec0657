// Who asks: a token of the issuer's, or one or a name that is typed in, where the service says that it is missing.

import { credentials, send } from "./api.js";
import { at } from "./dom.js";
import { claims, comeBack, isBack, isPossible, leave } from "./oidc.js";

const issuer = async () => (await (await send("/api/v1/login")).json()).oidc;

export class Login {
  constructor(done) {
    this.done = done;
    this.dialog = at("login");
    this.dialog.addEventListener("close", () => this.#take());
    at("who").addEventListener("click", () => { credentials.forget(); done(); });
    at("at-issuer").addEventListener("click", () => this.#leave());
    this.failure = "";
  }

  // Show who is logged in; take the token first where the browser comes back from the issuer with a code for it.
  async begin() {
    if (!isBack()) return this.tell();
    try {
      credentials.set("token", await comeBack(issuer));
    } catch (error) {
      this.failure = error.message;
    }
    this.tell();
  }

  tell() {
    const known = credentials.get();
    const { preferred_username: name, email, sub } = known?.kind === "token" ? claims(known.secret) : {};
    const who = known?.kind === "user" ? known.secret : name || email || sub;
    at("who").textContent = !known ? "log in" : who ? `${who}: log out` : "log out";
  }

  // Ask for what a refusal (401) says is missing.
  async ask(refused) {
    if (this.dialog.open) return;
    this.byToken = /bearer/i.test(refused.challenge);
    at("login-what").textContent = this.byToken
      ? "Paste a token; it is kept in this tab alone."
      : "Users are not verified here: say who you are.";
    at("login-label").textContent = this.byToken ? "Token" : "User";
    at("secret").type = this.byToken ? "password" : "text";
    at("login-trouble").textContent = this.failure || (credentials.get() ? refused.message : "");
    this.failure = "";
    at("issuer").hidden = true;
    this.dialog.returnValue = "";
    this.dialog.showModal();
    if (this.byToken) await this.#offerIssuer();
  }

  async #offerIssuer() {
    try {
      this.oidc = await issuer();
    } catch (error) {
      at("login-trouble").textContent ||= error.message;
      return;
    }
    if (!this.oidc) return;
    at("issuer").hidden = false;
    at("at-issuer").hidden = !isPossible();
    at("issuer-what").textContent = isPossible()
      ? "You come back here, logged in in this tab alone."
      : "The issuer's login takes https, or a page of this machine. Else:";
    at("at-issuer").textContent = `Log in at ${new URL(this.oidc.issuer).host}`;
    at("login-what").textContent = "Or paste a token; it is kept in this tab alone.";
    if (isPossible()) at("at-issuer").focus();
  }

  async #leave() {
    try { await leave(this.oidc); } catch (error) { at("login-trouble").textContent = error.message; }
  }

  #take() {
    const secret = at("secret").value.trim();
    at("secret").value = "";
    if (!secret || this.dialog.returnValue !== "ok") return;
    credentials.set(this.byToken ? "token" : "user", secret);
    this.done();
  }
}
