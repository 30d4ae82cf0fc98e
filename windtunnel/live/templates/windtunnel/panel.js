// The form for a change of the split: what can be chosen, what it would change, applying and undoing.
import { id, make, say, spent, told } from "./dom.js";
import { change, Refused } from "./wire.js";

let split = null;
let shape = "";
let draft = {};
let busy = false;
let asked = 0;
let after = () => {};

const short = (key) => key.split(".").at(-1);
const pools = () => [...new Set(Object.keys(split.now).filter((key) => key.startsWith("pools.")).map((key) => key.split(".")[1]))];
const value = (key) => draft[key] ?? split.now[key];
const changes = () => Object.fromEntries(Object.entries(draft).filter(([key, now]) => now !== split.now[key]));

export function listen(onChange) {
  after = onChange;
  id("panel").addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  id("discard").addEventListener("click", () => { draft = {}; build(); review(); say(id("said"), "Discarded."); id("fields").querySelector("select")?.focus(); });
  id("undo").addEventListener("click", undo);
}

export function show(found) {
  split = found;
  const why = found.missing ?? found.closed;
  note("closed", why);
  note("aside", found.missing ? null : found.aside);
  id("panel").hidden = Boolean(found.missing);
  if (found.missing) { shape = ""; return; }
  const seen = JSON.stringify([found.now, found.values, found.base, found.closed]);
  if (seen !== shape) {
    shape = seen;
    build();
    review();
  }
  buttons();
}

function note(name, text) {
  id(name).hidden = !text;
  say(id(name), text ?? "");
}

function build() {
  const focused = document.activeElement?.id;
  id("fields").replaceChildren(...pools().map(poolFields), routeFields());
  if (focused) id(focused)?.focus();
}

function poolFields(pool) {
  const key = (name) => `pools.${pool}.${name}`;
  return make("fieldset", {}, make("legend", {}, `Pool ${pool}`),
    ...["processes", "balance"].map((name) => field(key(name), short(key(name)))),
    ...(key("weights") in split.weights ? [weights(pool)] : []));
}

function routeFields() {
  const routes = Object.keys(split.values).filter((key) => key.startsWith("routes."));
  const label = (key) => (key === "routes.default" ? "everything else" : key.replace(/^routes\.(methods\.|headers\.)?/, "").replaceAll('"', ""));
  routes.sort((one, other) => (one === "routes.default") - (other === "routes.default"));
  return make("fieldset", {}, make("legend", {}, "Routes: which pool serves"), ...routes.map((key) => field(key, label(key))));
}

function chooser(name, values, chosen, pick) {
  const select = make("select", { id: name, disabled: Boolean(split.closed) });
  select.append(...values.map((one) => new Option(one.replaceAll("_", " "), one, false, one === chosen)));
  select.addEventListener("change", () => pick(select.value));
  return select;
}

function field(key, label) {
  const name = `field-${key}`;
  const row = make("div", { className: "field" }, make("label", { htmlFor: name }, label),
    chooser(name, split.values[key], value(key), (chosen) => {
      draft[key] = chosen;
      if (key.endsWith(".processes")) fit(key.split(".")[1]);
      build();
      review();
    }));
  row.classList.toggle("changed", value(key) !== split.now[key]);
  return row;
}

// Weights are one number a process: another number of processes keeps those that it can.
function fit(pool) {
  const key = `pools.${pool}.weights`;
  const size = Number(value(`pools.${pool}.processes`));
  const now = value(key) ? value(key).split(",") : [];
  if (now.length) draft[key] = Array.from({ length: size }, (_, index) => now[index] ?? "1").join(",");
}

function weights(pool) {
  const key = `pools.${pool}.weights`;
  const size = Number(value(`pools.${pool}.processes`));
  const own = make("input", { type: "checkbox", id: `field-${key}`, checked: Boolean(value(key)), disabled: Boolean(split.closed) });
  own.addEventListener("change", () => { draft[key] = own.checked ? Array(size).fill("1").join(",") : ""; build(); review(); });
  const numbers = value(key) ? value(key).split(",") : [];
  const all = Array.from({ length: split.weights[key] }, (_, index) => String(index + 1));
  const selects = numbers.map((one, index) => {
    const select = chooser(`field-${key}-${index}`, all, one, (chosen) => {
      draft[key] = numbers.with(index, chosen).join(",");
      build();
      review();
    });
    select.setAttribute("aria-label", `weight of process ${index + 1} of pool ${pool}`);
    return select;
  });
  const row = make("div", { className: "field" }, make("span", {}, "weights"),
    make("div", { className: "weights" }, make("label", {}, own, " of its own"), ...selects));
  row.classList.toggle("changed", value(key) !== split.now[key]);
  return row;
}

async function review() {
  const mine = ++asked;
  const wanted = changes();
  let found = [];
  if (Object.keys(wanted).length) {
    try {
      found = (await change("split/differences", { base: split.base, changes: wanted })).differences;
    } catch (error) {
      if (mine === asked) { differ(error.message, true); buttons(false); }
      return;
    }
  }
  if (mine !== asked) return;
  differ(found);
  buttons(found.length > 0);
}

function differ(found, wrong = false) {
  if (wrong) id("differences").replaceChildren(make("p", { className: "higher" }, found));
  else if (!found.length) id("differences").replaceChildren(make("p", { className: "soft" }, "Nothing: this is the split in force."));
  else id("differences").replaceChildren(make("ul", {}, ...found.map(([key, before, now]) => make("li", {},
    make("code", {}, key), " ", make("del", {}, before || "none"), " → ", make("ins", {}, now || "none")))));
}

let able = false;

function buttons(can = able) {
  able = can;
  const shut = busy || split.applying || Boolean(split.closed);
  id("apply").disabled = shut || !able;
  id("discard").disabled = shut || !Object.keys(changes()).length;
  id("undo").disabled = shut || !split.undoable;
  say(id("undo"), split.undoable ? `Undo #${split.undoable}` : "Undo");
  say(id("apply"), busy || split.applying ? "Applying…" : "Apply");
  id("panel").setAttribute("aria-busy", String(busy || split.applying));
}

const apply = () => send("split", { base: split.base, changes: changes() });
const undo = () => send("split/undo", { base: split.base });

async function send(path, body) {
  const pressed = document.activeElement;
  busy = true;
  buttons();
  say(id("wrong"), "");
  say(id("said"), "Applying: processes start or drain, nginx reloads.");
  try {
    const done = await change(path, body);
    draft = {};
    say(id("said"), `Change #${done.number}, ${told(done.differences)}: ${spent(done)}.`);
    await after(done);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(id("said"), "");
    say(id("wrong"), `Not changed. ${error.message}`);
    await after(null);
  } finally {
    busy = false;
    buttons();
    if (pressed?.disabled) (id("undo").disabled ? id("split") : id("undo")).focus();
    else pressed?.focus();
  }
}
