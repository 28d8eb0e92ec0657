// How many jobs there are by phase, project and reason: buttons that set the filter, or take it back.

import { at, element } from "./dom.js";
import { missed } from "./filter.js";

const MOST = 8; // buttons of a group: a cluster may have hundreds of projects

export const GROUPS = ["phase", "project", "reason"];

// Return the jobs that fit, and for each group how many would fit with each of its values.
export function counted(jobs, wanted) {
  const counts = Object.fromEntries(GROUPS.map((group) => [group, new Map()]));
  const count = (group, job) => {
    if (job[group]) counts[group].set(job[group], (counts[group].get(job[group]) || 0) + 1);
  };
  const fitting = [];
  for (const job of jobs) {
    const by = missed(job, wanted);
    if (by.length === 0) {
      fitting.push(job);
      for (const group of GROUPS) count(group, job);
    } else if (by.length === 1 && by[0] in counts) count(by[0], job);
  }
  return { fitting, counts };
}

// Draw the buttons, the most frequent first; one that is pressed stays, however few there are.
export function showCounts(counts, wanted, filterBy) {
  for (const group of GROUPS) {
    const pressed = wanted[group];
    const known = [...counts[group]].sort(([one, many], [other, more]) => more - many || (one < other ? -1 : 1));
    if (pressed && !counts[group].has(pressed)) known.unshift([pressed, 0]);
    const drawn = known.filter(([value], index) => index < MOST || value === pressed);
    const place = at(`by-${group}`);
    const had = place.contains(document.activeElement) ? document.activeElement.dataset.value : undefined;
    place.hidden = known.length === 0;
    place.replaceChildren(
      ...drawn.map(([value, number]) => element("button", {
        type: "button", class: group === "phase" ? value : null, "aria-pressed": String(pressed === value), "data-value": value,
        onclick: () => filterBy(group, pressed === value ? "" : value),
      }, `${value} ${number}`)),
      known.length > drawn.length ? element("span", { class: "dim" }, `and ${known.length - drawn.length} more`) : "");
    if (had !== undefined) place.querySelector(`[data-value="${CSS.escape(had)}"]`)?.focus();
  }
}
