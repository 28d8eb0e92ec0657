// Two small plots: how many submissions wait, and how many a second are done or refused.

import { send } from "./api.js";
import { at } from "./dom.js";

const HEIGHT = 84;
const colour = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(name);
const short = (values) => values.map((value) => (value >= 10000 ? `${value / 1000}k` : String(value)));

function plotIn(place, series) {
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const plot = new uPlot({
    width: place.clientWidth, height: HEIGHT, cursor: { show: false }, legend: { show: false }, padding: [6, 0, 0, 0],
    scales: { y: { range: (_, __, most) => [0, Math.max(1, most || 0)] } },
    axes: [
      { ...axis, size: 20, space: 70, values: (_, times) => times.map((time) => new Date(time * 1000).toISOString().slice(11, 16)) },
      { ...axis, size: 38, space: 24, values: (_, values) => short(values) },
    ],
    series: [{}, ...series.map((name) => ({ stroke: colour(name), width: 1.5, points: { show: false } }))],
  }, [[], ...series.map(() => [])], place);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw(false, true));
  return plot;
}

export class Plots {
  constructor() {
    this.plots = null;
  }

  // Ask and draw; what cannot be told leaves the last picture.
  async refresh() {
    let told;
    try { told = await (await send("/api/v1/throughput")).json(); } catch { return; }
    const { seconds, data } = told;
    if (data.length === 0) return;
    at("plots").hidden = false;
    this.plots ??= [plotIn(at("waiting-plot"), ["--wait"]), plotIn(at("rate-plot"), ["--good", "--bad"])];
    const times = data.map((sample) => sample.at / 1000), last = data.at(-1);
    const rates = (name) => data.map((sample) => sample[name] / seconds);
    this.plots[0].setData([times, data.map((sample) => sample.waiting)]);
    this.plots[1].setData([times, rates("done"), rates("refused")]);
    at("waiting-now").textContent = `On the topic: ${last.waiting ?? "nobody can tell"}`;
    at("rate-now").textContent = `A second: ${last.done / seconds} done, ${last.refused / seconds} refused`;
  }
}
