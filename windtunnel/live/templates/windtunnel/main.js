// The page: asks every two seconds while it is seen, and shows what it was told.
import { id, make, number, say } from "./dom.js";
import * as charts from "./charts.js";
import * as effect from "./effect.js";
import * as panel from "./panel.js";
import { change, data, split, Refused } from "./wire.js";

const EVERY = 2000;
let paused = false;
let running = false;
let known = false;

function view() {
  const form = id("view").elements;
  return { by: form.by.value, latency: form.latency.value, span: Number(form.span.value), log: form.log.checked };
}

function figures({ window: last }) {
  const kind = id("view").elements.latency.value;
  const row = (group, name, one) => {
    const times = one[kind] ?? {};
    const cells = [number(one.rate), number(one.failures), number(times.p50), number(times.p99), number(times.p999),
      number(["kinds", "routed"].includes(group) ? null : one.in_flight), number(one.lag_p99_ms), one.busy === null || one.busy === undefined ? "–" : `${Math.round(one.busy * 100)} %`, number(one.bystander_p99_ms)];
    return make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((text) => make("td", {}, text)));
  };
  const called = { pools: (name) => (name === "none" ? "no answer" : `pool ${name}`), kinds: (name) => `requests: ${name}`, routed: (name) => `requests: ${name}`, stores: (name) => name };
  // A kind in a pool is news only where some pool has several kinds, and some kind several pools.
  const size = (group) => Object.keys(last?.[group] ?? {}).filter((name) => name !== "none").length;
  const groups = size("routed") > Math.max(size("kinds"), size("pools")) ? ["pools", "kinds", "routed", "stores"] : ["pools", "kinds", "stores"];
  const rows = groups.flatMap((group) => Object.entries(last?.[group] ?? {}).map(([name, one]) => row(group, called[group](name), one)));
  id("figures-rows").replaceChildren(...(rows.length ? rows : [make("tr", {}, Object.assign(make("td", { colSpan: 10 }), { textContent: "Nothing yet: start a test in Locust." }))]));
}

// Closed users intend nothing: their response time is unknown, so service times are shown.
function latencies(found) {
  const open = Object.values(found.window?.pools ?? {}).some((one) => one.response);
  const select = id("view").elements.latency;
  const any = Object.keys(found.window?.pools ?? {}).length > 0;
  if (any && select.options[0].disabled === open) {
    select.options[0].disabled = !open;
    select.value = open ? "response" : "service";
  }
  say(id("latency-note"), any ? (open ? `Times are ${select.value} times.` : "Closed load: times are service times, there is no intended send to count from.") : "");
}

function status(found) {
  paused = found.paused;
  running = ["spawning", "running"].includes(found.state);
  const state = running && paused ? "paused" : found.state;
  id("state").dataset.state = state;
  say(id("state"), state);
  say(id("course"), running ? found.load : "");
  id("hold").disabled = !running || !known;
  say(id("hold"), paused && running ? "Let the load go on" : "Pause the load");
}

async function look() {
  try {
    const found = await split();
    known = Boolean(found.token);
    panel.show(found);
    charts.mark(found.history);
    effect.show(found.history);
    const told = await data(charts.last());
    charts.take(told);
    latencies(told);
    status(told);
    figures(told);
    charts.redraw(view());
    if (id("state").dataset.away) { delete id("state").dataset.away; say(id("wrong"), ""); }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    Object.assign(id("state").dataset, { state: "away", away: "yes" });
    say(id("state"), "away");
    say(id("wrong"), error.message);
  }
}

async function hold() {
  try {
    const done = await change("load", { paused: !paused });
    say(id("said"), done.paused ? "The load is paused: nothing is sent." : "The load goes on.");
    say(id("wrong"), "");
  } catch (error) {
    say(id("wrong"), error.message);
  }
  await look();
}

async function go() {
  for (let step = 0; ; step += 1) {
    if (!document.hidden) {
      await look();
      if (step % 2 === 0) await effect.watch(running);
    }
    await new Promise((resolve) => { setTimeout(resolve, EVERY); });
  }
}

charts.build();
panel.listen(async (done) => { if (done) effect.choose(done.number); await look(); await effect.watch(running); });
effect.listen();
id("hold").addEventListener("click", hold);
id("view").addEventListener("change", () => charts.redraw(view()));
charts.onScheme(() => charts.redraw(view()));
go();
