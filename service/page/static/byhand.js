// The lines that ask for the same in a shell.

import { element } from "./dom.js";

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

// Return what asks for a job by hand, and for its objects, which the cluster alone shows; `path` is that of the API.
export function byHand({ project, name, namespace }, path) {
  const url = location.origin + path;
  const who = "-H \"$CREDENTIALS\"";
  const there = `--url ${location.origin} -p ${quoted(project)} ${quoted(name)}`;
  const lines = [
    `curl ${who} ${quoted(url)}`, `curl -N ${who} ${quoted(`${url}/logs?follow=true`)}`, `curl -X DELETE ${who} ${quoted(url)}`,
    `jobsub describe ${there}`, `jobsub logs -f ${there}`, `jobsub cancel ${there}`,
    `kubectl -n ${quoted(namespace)} get -o yaml job ${quoted(name)}`,
    `kubectl -n ${quoted(namespace)} get -o yaml pods -l ${quoted(`batch.kubernetes.io/job-name=${name}`)}`,
    `kubectl -n ${quoted(namespace)} describe job ${quoted(name)}`,
  ];
  return element("details", {}, element("summary", {}, "By hand"),
    element("p", {}, "With ", element("code", {}, "CREDENTIALS='RA-USER: you'"), " or ",
      element("code", {}, "CREDENTIALS='Authorization: Bearer …'"), ", or ", element("code", {}, "JOBSUB_TOKEN"), ":"),
    ...lines.map(copied));
}

function copied(line) {
  const shown = element("pre", { tabindex: "0", "aria-label": "Command" }, line);
  const button = element("button", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(line);
      button.textContent = "Copied";
    } catch { // there is no clipboard for a page that came by plain http
      getSelection().selectAllChildren(shown);
      button.textContent = "Press Ctrl+C";
    }
  } }, "Copy");
  return element("div", { class: "row" }, shown, button);
}
