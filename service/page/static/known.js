// The jobs that the page knows: the newest of those asked for, newest first, of each what the list shows.

import { missed } from "./filter.js";

export const MOST = 10000;

const isNewer = (one, other) =>
  one.createdAt > other.createdAt || (one.createdAt === other.createdAt && one.submission > other.submission);

function brief(state) {
  return {
    submission: state.submission, project: state.project, name: state.name, user: state.user || "", type: state.type,
    phase: state.phase, status: state.status, reason: state.waiting?.reason || "", gpus: state.requestedGPUs,
    why: state.waiting ? state.waiting.sentence : state.exit?.reason || "",
    createdAt: state.createdAt, deleted: state.deletedAt !== null,
  };
}

export class Known {
  constructor() { this.clear(); }

  clear() {
    this.jobs = [];
    this.keys = new Map();
    this.isWhole = true; // no job that was asked for is missing
  }

  // Take the state of a job, or drop one that no longer fits; where there are too many it costs the oldest.
  put(state, wanted) {
    const job = brief(state);
    const before = this.keys.get(job.submission);
    if (before?.createdAt > job.createdAt) return; // of a Job that was there before this one
    if (missed(job, wanted).length > 0) return this.remove(job.submission);
    if (before?.createdAt === job.createdAt) return void Object.assign(before, job);
    if (before) this.remove(job.submission);
    this.keys.set(job.submission, job);
    this.jobs.splice(this.#place(job), 0, job);
    if (this.jobs.length <= MOST) return;
    this.keys.delete(this.jobs.pop().submission);
    this.isWhole = false;
  }

  remove(submission) {
    const job = this.keys.get(submission);
    if (!job) return;
    this.keys.delete(submission);
    this.jobs.splice(this.#place(job), 1);
  }

  // Return how many of the jobs are newer.
  #place(job) {
    let low = 0, high = this.jobs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isNewer(this.jobs[middle], job)) low = middle + 1; else high = middle;
    }
    return low;
  }
}
