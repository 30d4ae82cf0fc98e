// Charts of the last minutes, every change of the split marked on each.
import { id, make, clock, told } from "./dom.js";

const KEPT = 600;
const COLOURS = { none: ["#a8330a", "#ff9a76"], fast: ["#0072b2", "#56b4e9"], slow: ["#b35900", "#f0a94a"] };
const OTHERS = [["#00795a", "#3fd0a4"], ["#9b4f86", "#e79bd2"], ["#6b5900", "#e0c84a"], ["#3b4cc0", "#9aa8ff"], ["#7f1d1d", "#f08a8a"], ["#0f766e", "#5eead4"], ["#4d7c0f", "#bef264"], ["#334155", "#a8b3c4"]];

const PLOTS = [
  { name: "rate", title: "Rate", unit: "answers/s", of: (line) => line.rate },
  { name: "failures", title: "Failures", unit: "a second", of: (line) => line.failures, unanswered: true },
  { name: "in-flight", title: "In flight", unit: "requests", of: (line) => line.in_flight, only: ["pools", "stores"] },
  { name: "p50", title: "p50", unit: "ms", quantile: "p50" },
  { name: "p99", title: "p99", unit: "ms", quantile: "p99" },
  { name: "p999", title: "p99.9", unit: "ms", quantile: "p999" },
  { name: "lag", title: "Event-loop lag p99, each process", unit: "ms", process: "lag_p99_ms" },
  { name: "connections", title: "Connections, each process", unit: "open", process: "connections" },
];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const NO_ANSWER = "none";
const FEW = { p50: "20", p99: "1,000", p999: "10,000" };

const dark = matchMedia("(prefers-color-scheme: dark)");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What was told so far: seconds, and by kind and name each array, aligned with the seconds.
const kept = { seconds: [], pools: {}, kinds: {}, routed: {}, stores: {}, processes: {} };
let marks = [];
let now = 0;

export const last = () => kept.seconds.at(-1) ?? 0;

export function take(data) {
  now = data.now;
  const had = kept.seconds.length;
  kept.seconds.push(...data.seconds);
  for (const kind of ["pools", "kinds", "routed", "stores", "processes"]) {
    for (const name of new Set([...Object.keys(kept[kind]), ...Object.keys(data[kind] ?? {})])) {
      kept[kind][name] = grown(kept[kind][name], data[kind]?.[name], had, data.seconds.length);
    }
  }
  drop(kept.seconds.findIndex((second) => second > now - KEPT));
}

// One more stretch of a nested object of arrays; what is missing on either side is null.
function grown(old, more, had, size) {
  if (Array.isArray(old) || Array.isArray(more)) return [...(old ?? Array(had).fill(null)), ...(more ?? Array(size).fill(null))];
  if (typeof (more ?? old) !== "object" || (more ?? old) === null) return more ?? old;
  const found = {};
  for (const key of new Set([...Object.keys(old ?? {}), ...Object.keys(more ?? {})])) found[key] = grown(old?.[key], more?.[key], had, size);
  return found;
}

function drop(number) {
  if (number <= 0) return;
  const cut = (value) => {
    if (Array.isArray(value)) value.splice(0, number);
    else if (value && typeof value === "object") Object.values(value).forEach(cut);
  };
  Object.values(kept).forEach(cut);
}

export function mark(history) {
  marks = history.map((one) => ({ ...one, clean_at: one.clean_at ?? one.serving_at }));
}

function colour(name, index) {
  const pair = COLOURS[name] ?? OTHERS[index % OTHERS.length];
  return pair[dark.matches ? 1 : 0];
}

const local = (epoch) => new Date((epoch - new Date(epoch * 1000).getTimezoneOffset() * 60) * 1000).toISOString().slice(0, -1);

function lines(plot, view) {
  if (plot.only && !plot.only.includes(view.by)) return [];
  if (plot.process) {
    const pools = Object.keys(kept.pools);
    return Object.entries(kept.processes).map(([address, one], index) => ({
      name: `${one.pool} ${address.split(":").at(-1)}`, dash: DASHES[index % DASHES.length], colour: colour(one.pool, pools.indexOf(one.pool)), y: one[plot.process] ?? [],
    }));
  }
  return Object.entries(kept[view.by]).filter(([name]) => name !== NO_ANSWER || plot.unanswered).map(([name, line], index) => ({
    name: name === NO_ANSWER ? "no answer" : name, colour: colour(name, index), y: plot.quantile ? line[view.latency]?.[plot.quantile] ?? [] : plot.of(line),
  }));
}

function draw(plot, view) {
  const from = kept.seconds.findIndex((second) => second >= now - view.span);
  const x = from < 0 ? [] : kept.seconds.slice(from).map(local);
  const found = from < 0 ? [] : lines(plot, view).map((line) => ({ ...line, y: line.y.slice(from) }));
  const traces = found.map((line) => ({
    type: "scatter", mode: "lines", name: line.name, x, y: line.y, line: { color: line.colour, dash: line.dash, width: 1.8 },
    hovertemplate: `%{y:.4~g} ${plot.unit}<extra>${line.name}</extra>`,
  }));
  const figure = id(`plot-${plot.name}`);
  Plotly.react(figure.querySelector(".plot"), traces, layout(plot, view), { displayModeBar: false, responsive: true });
  const drawn = found.some((line) => line.y.some((value) => value !== null));
  figure.querySelector(".few").textContent = why(plot, view, drawn);
  figure.querySelector(".plot").setAttribute("aria-label", `${plot.title}: ${drawn ? found.map((line) => `${line.name} ${latest(line.y)} ${plot.unit}`).join(", ") : "nothing yet"}`);
}

function why(plot, view, drawn) {
  if (plot.only && !plot.only.includes(view.by)) return "known by pool and by store only";
  return plot.quantile && kept.seconds.length && !drawn ? `too few answers: it takes ${FEW[plot.quantile]} in ten seconds` : "";
}

const latest = (values) => values.findLast((value) => value !== null && value !== undefined)?.toPrecision(3) ?? "nothing";

function layout(plot, view) {
  const shown = marks.filter((one) => one.clean_at > now - view.span);
  const times = plot.unit === "ms" && view.log;
  return {
    height: 190, margin: { l: 48, r: 8, t: 16, b: 24 }, showlegend: false, dragmode: false, hovermode: "x",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: css("--ink"), size: 11 },
    xaxis: { type: "date", range: [local(now - view.span), local(now)], gridcolor: css("--grid"), tickformat: "%H:%M:%S", nticks: 5, fixedrange: true },
    yaxis: { gridcolor: css("--grid"), zerolinecolor: css("--line"), fixedrange: true, ...(times ? { type: "log" } : { rangemode: "tozero" }) },
    shapes: shown.flatMap((one) => [
      { type: "rect", yref: "paper", y0: 0, y1: 1, x0: local(one.began_at), x1: local(one.clean_at), fillcolor: css("--mark"), opacity: 0.15, line: { width: 0 } },
      { type: "line", yref: "paper", y0: 0, y1: 1, x0: local(one.serving_at), x1: local(one.serving_at), line: { color: css("--mark"), width: 2 } },
    ]),
    annotations: shown.filter((one) => one.differences).map((one) => ({
      x: local(one.serving_at), y: 1, yref: "paper", yanchor: "bottom", showarrow: false, text: `#${one.number}`,
      hovertext: `${clock(one.serving_at)} ${told(one.differences)}`, font: { color: css("--mark"), size: 11 },
    })),
  };
}

function legend(view) {
  const items = Object.keys(kept[view.by]).map((name, index) => {
    const swatch = make("i");
    swatch.style.background = colour(name, index);
    return make("li", {}, swatch, name === NO_ANSWER ? "no answer" : name);
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
