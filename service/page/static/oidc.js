// Logs in at the issuer: authorization code with PKCE (RFC 7636), as a public client (OpenID Connect Core 1.0, section 3.1).

const BEGUN = "job-submission.login";

const letters = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => letters(crypto.getRandomValues(new Uint8Array(32)));
const redirect = () => `${location.origin}/`;

// Without it there is no SHA-256 for a page: it came by plain http, from another machine.
export const isPossible = () => Boolean(crypto.subtle);

// Go to the issuer; the browser comes back with a code, to where it is now.
export async function leave({ authorizationEndpoint, clientId, scope }) {
  const begun = { state: random(), nonce: random(), verifier: random(), back: location.search };
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier));
  sessionStorage.setItem(BEGUN, JSON.stringify(begun));
  const url = new URL(authorizationEndpoint);
  for (const [name, value] of Object.entries({
    response_type: "code", client_id: clientId, redirect_uri: redirect(), scope, state: begun.state, nonce: begun.nonce,
    code_challenge: letters(new Uint8Array(digest)), code_challenge_method: "S256",
  })) url.searchParams.set(name, value);
  location.assign(url);
}

export function isBack() {
  const url = new URLSearchParams(location.search);
  return url.has("state") && (url.has("code") || url.has("error"));
}

// Return the token for the code in the URL, and go back to where the login began. Throws Error with what went wrong.
export async function comeBack(askIssuer) {
  const url = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem(BEGUN) || "null");
  sessionStorage.removeItem(BEGUN); // each code is tried once
  history.replaceState(null, "", begun?.state === url.get("state") ? `/${begun.back}` : "/");
  if (begun?.state !== url.get("state")) throw new Error("The login was not begun in this tab: log in again.");
  if (url.has("error")) throw new Error(`The issuer refuses the login: ${url.get("error_description") || url.get("error")}`);
  const { issuer, tokenEndpoint, clientId } = await askIssuer();
  if (url.has("iss") && url.get("iss") !== issuer) throw new Error("The answer is of another issuer."); // RFC 9207
  const response = await fetch(tokenEndpoint, {
    method: "POST", credentials: "omit", body: new URLSearchParams({
      grant_type: "authorization_code", code: url.get("code"), redirect_uri: redirect(), client_id: clientId, code_verifier: begun.verifier,
    }),
  });
  const said = await response.json().catch(() => ({}));
  if (!said.id_token) throw new Error(`The issuer gives no token: ${said.error_description || said.error || response.status}`);
  if (claims(said.id_token).nonce !== begun.nonce) throw new Error("The token is of another login.");
  return said.id_token;
}

// Return what a token says, which only the service verifies.
export function claims(token) {
  try {
    const bytes = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (letter) => letter.charCodeAt(0))));
  } catch {
    return {};
  }
}
