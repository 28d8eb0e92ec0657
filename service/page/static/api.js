// The HTTP API, with the credentials of this tab: a token, or a user's name where users are not verified.

const KEPT = "job-submission.credentials";

export class Refused extends Error {
  constructor(status, body, headers) {
    super(body.message || `the service answered ${status}`);
    this.status = status;
    this.retrySeconds = Number(headers.get("Retry-After")) || 0;
    this.reason = body.reason;
    this.details = body.details;
    this.challenge = headers.get("WWW-Authenticate") || "";
  }
}

export const credentials = {
  get() { return JSON.parse(sessionStorage.getItem(KEPT) || "null"); },
  set(kind, secret) { sessionStorage.setItem(KEPT, JSON.stringify({ kind, secret })); },
  forget() { sessionStorage.removeItem(KEPT); },
};

// Bytes of UTF-8, one character each, as headers carry them.
const bytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

function headers(more) {
  const known = credentials.get();
  if (!known) return { ...more };
  return known.kind === "user"
    ? { "RA-USER": bytes(known.secret), ...more }
    : { Authorization: `Bearer ${bytes(known.secret)}`, ...more };
}

// Send a request; throws Refused for every status of 400 and above.
export async function send(path, { method = "GET", more = {}, body, signal } = {}) {
  const response = await fetch(path, { method, headers: headers(more), body, signal });
  if (response.ok) return response;
  let said = {};
  try { said = await response.json(); } catch { /* a proxy's own page */ }
  throw new Refused(response.status, said, response.headers);
}

// As `send`, waiting as long as the service has too much to do.
export async function sendPatiently(path, options) {
  for (;;) {
    try {
      return await send(path, options);
    } catch (error) {
      if (error.status !== 429) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, error.retrySeconds) * 1000));
    }
  }
}

// Call `onText` with each piece of a body as it comes; returns at its end.
export async function readText(response, onText) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onText(value);
  }
}

// Follow the events after a position; returns the last one when the stream ends (WHATWG HTML, section 9.2).
// EventSource cannot send credentials in a header, so the few rules that this service uses are read here.
export async function follow(query, position, { signal, onOpen, onEvent, onResync }) {
  const response = await send(`/api/v1/jobs/events?${query}`, { more: { "Last-Event-ID": position.last }, signal });
  onOpen();
  let rest = "";
  await readText(response, (text) => {
    const frames = (rest + text).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      if (signal.aborted) return;
      let kind = "message", data = "";
      for (const line of frame.split("\n")) {
        if (line.startsWith("id: ")) position.last = line.slice(4);
        else if (line.startsWith("event: ")) kind = line.slice(7);
        else if (line.startsWith("data: ")) data = line.slice(6);
      }
      if (kind === "resync") onResync();
      else if (data) onEvent(JSON.parse(data).data);
    }
  });
}
