// The page: polls the server every two seconds while it is visible, and shows the answers.
import { id, make, number, setText } from "./dom.js";
import * as charts from "./charts.js";
import * as effect from "./effect.js";
import * as splitForm from "./split_form.js";
import { change, data, split, RequestError } from "./http.js";

const INTERVAL_MS = 2000;
let paused = false;
let running = false;
let hasToken = false;

function view() {
  const form = id("view").elements;
  return { by: form.by.value, latency: form.latency.value, span: Number(form.span.value), log: form.log.checked };
}

function figures({ window: last }) {
  const latency = id("view").elements.latency.value;
  const row = (group, name, figure) => {
    const times = figure[latency] ?? {};
    const cells = [number(figure.rate), number(figure.failures), number(times.p50), number(times.p99), number(times.p999),
      number(["kinds", "routed"].includes(group) ? null : figure.in_flight), number(figure.lag_p99_ms), figure.busy === null || figure.busy === undefined ? "–" : `${Math.round(figure.busy * 100)} %`, number(figure.bystander_p99_ms)];
    return make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((text) => make("td", {}, text)));
  };
  const labels = { pools: (name) => (name === "none" ? "no answer" : `pool ${name}`), kinds: (name) => `requests: ${name}`, routed: (name) => `requests: ${name}`, stores: (name) => name };
  // Kinds in pools tell more only where some pool has several kinds, and some kind several pools.
  const size = (group) => Object.keys(last?.[group] ?? {}).filter((name) => name !== "none").length;
  const groups = size("routed") > Math.max(size("kinds"), size("pools")) ? ["pools", "kinds", "routed", "stores"] : ["pools", "kinds", "stores"];
  const rows = groups.flatMap((group) => Object.entries(last?.[group] ?? {}).map(([name, figure]) => row(group, labels[group](name), figure)));
  id("figures-rows").replaceChildren(...(rows.length ? rows : [make("tr", {}, Object.assign(make("td", { colSpan: 10 }), { textContent: "Nothing yet: start a test in Locust." }))]));
}

// Closed users have no schedule: their response time is unknown, so service times are shown.
function latencies(answer) {
  const open = Object.values(answer.window?.pools ?? {}).some((pool) => pool.response);
  const select = id("view").elements.latency;
  const any = Object.keys(answer.window?.pools ?? {}).length > 0;
  if (any && select.options[0].disabled === open) {
    select.options[0].disabled = !open;
    select.value = open ? "response" : "service";
  }
  setText(id("latency-note"), any ? (open ? `Times are ${select.value} times.` : "Closed load: times are service times, as there is no schedule.") : "");
}

function showState(answer) {
  paused = answer.paused;
  running = ["spawning", "running"].includes(answer.state);
  const state = running && paused ? "paused" : answer.state;
  id("state").dataset.state = state;
  setText(id("state"), state);
  setText(id("load"), running ? answer.load : "");
  id("pause").disabled = !running || !hasToken;
  setText(id("pause"), paused && running ? "Resume" : "Pause");
}

async function refresh() {
  try {
    const status = await split();
    hasToken = Boolean(status.token);
    splitForm.show(status);
    charts.mark(status.history);
    effect.show(status.history);
    const answer = await data(charts.last());
    charts.take(answer);
    latencies(answer);
    showState(answer);
    figures(answer);
    charts.redraw(view());
    if (id("state").dataset.away) { delete id("state").dataset.away; setText(id("wrong"), ""); }
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    Object.assign(id("state").dataset, { state: "away", away: "yes" });
    setText(id("state"), "away");
    setText(id("wrong"), error.message);
  }
}

async function togglePause() {
  try {
    const load = await change("load", { paused: !paused });
    setText(id("said"), load.paused ? "The load is paused: nothing is sent." : "The load is resumed.");
    setText(id("wrong"), "");
  } catch (error) {
    setText(id("wrong"), error.message);
  }
  await refresh();
}

async function run() {
  for (let step = 0; ; step += 1) {
    if (!document.hidden) {
      await refresh();
      if (step % 2 === 0) await effect.watch(running);
    }
    await new Promise((resolve) => { setTimeout(resolve, INTERVAL_MS); });
  }
}

charts.build();
splitForm.listen(async (applied) => { if (applied) effect.choose(applied.number); await refresh(); await effect.watch(running); });
effect.listen();
id("pause").addEventListener("click", togglePause);
id("view").addEventListener("change", () => charts.redraw(view()));
charts.onScheme(() => charts.redraw(view()));
run();
