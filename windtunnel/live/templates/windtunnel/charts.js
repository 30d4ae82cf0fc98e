// Charts of the last minutes, with every change of the split marked.
import { id, make, clock, describe } from "./dom.js";

const KEPT_S = 600;
const COLOURS = { none: ["#a8330a", "#ff9a76"], fast: ["#0072b2", "#56b4e9"], slow: ["#b35900", "#f0a94a"] };
const OTHERS = [["#00795a", "#3fd0a4"], ["#9b4f86", "#e79bd2"], ["#6b5900", "#e0c84a"], ["#3b4cc0", "#9aa8ff"], ["#7f1d1d", "#f08a8a"], ["#0f766e", "#5eead4"], ["#4d7c0f", "#bef264"], ["#334155", "#a8b3c4"]];

const PLOTS = [
  { name: "rate", title: "Successful responses", unit: "per second", of: (line) => line.rate },
  { name: "failures", title: "Failures", unit: "per second", of: (line) => line.failures, withoutPool: true },
  { name: "in-flight", title: "In flight", unit: "requests", of: (line) => line.in_flight, only: ["pools", "stores"] },
  { name: "p50", title: "p50", unit: "ms", quantile: "p50" },
  { name: "p99", title: "p99", unit: "ms", quantile: "p99" },
  { name: "p999", title: "p99.9", unit: "ms", quantile: "p999" },
  { name: "lag", title: "Event-loop lag p99, each process", unit: "ms", process: "lag_p99_ms" },
  { name: "connections", title: "Connections, each process", unit: "open", process: "connections" },
];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const NO_POOL = "none";
const MIN_SAMPLES = { p50: "20", p99: "1,000", p999: "10,000" };

const dark = matchMedia("(prefers-color-scheme: dark)");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The data so far: seconds, and by grouping and name an array per figure, aligned with the seconds.
const series = { seconds: [], pools: {}, kinds: {}, routed: {}, stores: {}, processes: {} };
let marks = [];
let now = 0;

export const last = () => series.seconds.at(-1) ?? 0;

export function take(data) {
  now = data.now;
  const length = series.seconds.length;
  series.seconds.push(...data.seconds);
  for (const grouping of ["pools", "kinds", "routed", "stores", "processes"]) {
    for (const name of new Set([...Object.keys(series[grouping]), ...Object.keys(data[grouping] ?? {})])) {
      series[grouping][name] = extend(series[grouping][name], data[grouping]?.[name], length, data.seconds.length);
    }
  }
  drop(series.seconds.findIndex((second) => second > now - KEPT_S));
}

// Appends to a nested object of arrays; what is missing on either side is null.
function extend(old, more, length, added) {
  if (Array.isArray(old) || Array.isArray(more)) return [...(old ?? Array(length).fill(null)), ...(more ?? Array(added).fill(null))];
  if (typeof (more ?? old) !== "object" || (more ?? old) === null) return more ?? old;
  const extended = {};
  for (const key of new Set([...Object.keys(old ?? {}), ...Object.keys(more ?? {})])) extended[key] = extend(old?.[key], more?.[key], length, added);
  return extended;
}

function drop(number) {
  if (number <= 0) return;
  const cut = (value) => {
    if (Array.isArray(value)) value.splice(0, number);
    else if (value && typeof value === "object") Object.values(value).forEach(cut);
  };
  Object.values(series).forEach(cut);
}

export function mark(history) {
  marks = history.map((change) => ({ ...change, clean_at: change.clean_at ?? change.serving_at }));
}

function colour(name, index) {
  const pair = COLOURS[name] ?? OTHERS[index % OTHERS.length];
  return pair[dark.matches ? 1 : 0];
}

const local = (epoch) => new Date((epoch - new Date(epoch * 1000).getTimezoneOffset() * 60) * 1000).toISOString().slice(0, -1);

function lines(plot, view) {
  if (plot.only && !plot.only.includes(view.by)) return [];
  if (plot.process) {
    const pools = Object.keys(series.pools);
    return Object.entries(series.processes).map(([address, process], index) => ({
      name: `${process.pool} ${address.split(":").at(-1)}`, dash: DASHES[index % DASHES.length], colour: colour(process.pool, pools.indexOf(process.pool)), y: process[plot.process] ?? [],
    }));
  }
  return Object.entries(series[view.by]).filter(([name]) => name !== NO_POOL || plot.withoutPool).map(([name, line], index) => ({
    name: name === NO_POOL ? "no answer" : name, colour: colour(name, index), y: plot.quantile ? line[view.latency]?.[plot.quantile] ?? [] : plot.of(line),
  }));
}

function draw(plot, view) {
  const from = series.seconds.findIndex((second) => second >= now - view.span);
  const x = from < 0 ? [] : series.seconds.slice(from).map(local);
  const drawn = from < 0 ? [] : lines(plot, view).map((line) => ({ ...line, y: line.y.slice(from) }));
  const traces = drawn.map((line) => ({
    type: "scatter", mode: "lines", name: line.name, x, y: line.y, line: { color: line.colour, dash: line.dash, width: 1.8 },
    hovertemplate: `%{y:.4~g} ${plot.unit}<extra>${line.name}</extra>`,
  }));
  const figure = id(`plot-${plot.name}`);
  Plotly.react(figure.querySelector(".plot"), traces, layout(plot, view), { displayModeBar: false, responsive: true });
  const isEmpty = !drawn.some((line) => line.y.some((value) => value !== null));
  figure.querySelector(".few").textContent = emptyReason(plot, view, isEmpty);
  figure.querySelector(".plot").setAttribute("aria-label", `${plot.title}: ${isEmpty ? "nothing yet" : drawn.map((line) => `${line.name} ${latest(line.y)} ${plot.unit}`).join(", ")}`);
}

function emptyReason(plot, view, isEmpty) {
  if (plot.only && !plot.only.includes(view.by)) return "by pool and by store only";
  return plot.quantile && series.seconds.length && isEmpty ? `too few samples: needs ${MIN_SAMPLES[plot.quantile]} in ten seconds` : "";
}

const latest = (values) => values.findLast((value) => value !== null && value !== undefined)?.toPrecision(3) ?? "nothing";

function layout(plot, view) {
  const visible = marks.filter((change) => change.clean_at > now - view.span);
  const times = plot.unit === "ms" && view.log;
  return {
    height: 190, margin: { l: 48, r: 8, t: 16, b: 24 }, showlegend: false, dragmode: false, hovermode: "x",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: css("--ink"), size: 11 },
    xaxis: { type: "date", range: [local(now - view.span), local(now)], gridcolor: css("--grid"), tickformat: "%H:%M:%S", nticks: 5, fixedrange: true },
    yaxis: { gridcolor: css("--grid"), zerolinecolor: css("--line"), fixedrange: true, ...(times ? { type: "log" } : { rangemode: "tozero" }) },
    shapes: visible.flatMap((change) => [
      { type: "rect", yref: "paper", y0: 0, y1: 1, x0: local(change.began_at), x1: local(change.clean_at), fillcolor: css("--mark"), opacity: 0.15, line: { width: 0 } },
      { type: "line", yref: "paper", y0: 0, y1: 1, x0: local(change.serving_at), x1: local(change.serving_at), line: { color: css("--mark"), width: 2 } },
    ]),
    annotations: visible.filter((change) => change.differences).map((change) => ({
      x: local(change.serving_at), y: 1, yref: "paper", yanchor: "bottom", showarrow: false, text: `#${change.number}`,
      hovertext: `${clock(change.serving_at)} ${describe(change.differences)}`, font: { color: css("--mark"), size: 11 },
    })),
  };
}

function legend(view) {
  const items = Object.keys(series[view.by]).map((name, index) => {
    const swatch = make("i");
    swatch.style.background = colour(name, index);
    return make("li", {}, swatch, name === NO_POOL ? "no answer" : name);
  });
  const swatch = make("i");
  swatch.style.background = css("--mark");
  if (marks.length) items.push(make("li", {}, swatch, "change of the split (#): from its beginning until old workers had drained"));
  id("legend").replaceChildren(...items);
}

export function build() {
  id("plots").replaceChildren(...PLOTS.map((plot) => make("figure", { id: `plot-${plot.name}` },
    make("figcaption", {}, plot.title, " ", make("span", { className: "soft" }, plot.unit), " ", make("span", { className: "soft few" })),
    Object.assign(make("div", { className: "plot" }), { role: "img" }))));
}

export function redraw(view) {
  legend(view);
  PLOTS.forEach((plot) => draw(plot, view));
}

export const onScheme = (listen) => dark.addEventListener("change", listen);
