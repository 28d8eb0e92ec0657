// The filter: it stands in the URL, so that a link shows the same to somebody else.

export const FILTERS = ["project", "name", "user", "phase", "reason", "type", "deleted"];
export const LASTING = ["project", "name", "user", "type"]; // what no event changes of a job

const EXACT = ["project", "user", "type", "phase", "reason"];

// Return what is asked for, by its name, without what may be anything.
export function asked() {
  const url = new URLSearchParams(location.search);
  return Object.fromEntries(FILTERS.map((name) => [name, url.get(name)]).filter(([, value]) => value));
}

// Return the URL with these values; an empty one takes its name away.
export function urlWith(values) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
  }
  return url;
}

// Return the names of the filters that keep a job out.
export function missed(job, wanted) {
  const by = [];
  for (const name of EXACT) if (wanted[name] && job[name] !== wanted[name]) by.push(name);
  if (wanted.name && !job.name.includes(wanted.name)) by.push("name");
  if (job.deleted ? !wanted.deleted : wanted.deleted === "true") by.push("deleted");
  return by;
}

// Tell whether all jobs of a filter are among those of another one.
export const isWithin = (wanted, other) =>
  wanted.deleted === other.deleted && Object.entries(other).every(([name, value]) =>
    name === "name" ? wanted.name?.includes(value) : wanted[name] === value);
