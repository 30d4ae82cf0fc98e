// The form for a change of the split: the choices, what they would change, apply and undo.
import { id, make, setText, timing, describe } from "./dom.js";
import { change, RequestError } from "./http.js";

let split = null;
let builtFrom = "";
let draft = {};
let busy = false;
let reviews = 0;
let after = () => {};

const short = (key) => key.split(".").at(-1);
const pools = () => [...new Set(Object.keys(split.now).filter((key) => key.startsWith("pools.")).map((key) => key.split(".")[1]))];
const value = (key) => draft[key] ?? split.now[key];
const changes = () => Object.fromEntries(Object.entries(draft).filter(([key, now]) => now !== split.now[key]));

export function listen(onChange) {
  after = onChange;
  id("panel").addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  id("discard").addEventListener("click", () => { draft = {}; build(); review(); setText(id("said"), "Discarded."); id("fields").querySelector("select")?.focus(); });
  id("undo").addEventListener("click", undo);
}

export function show(status) {
  split = status;
  note("closed", status.missing ?? status.closed);
  note("aside", status.missing ? null : status.aside);
  id("panel").hidden = Boolean(status.missing);
  if (status.missing) { builtFrom = ""; return; }
  const state = JSON.stringify([status.now, status.values, status.base, status.closed]);
  if (state !== builtFrom) {
    builtFrom = state;
    build();
    review();
  }
  buttons();
}

function note(name, text) {
  id(name).hidden = !text;
  setText(id(name), text ?? "");
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
  const label = (key) => (key === "routes.default" ? "all other requests" : key.replace(/^routes\.(methods\.|headers\.)?/, "").replaceAll('"', ""));
  routes.sort((first, second) => (first === "routes.default") - (second === "routes.default"));
  return make("fieldset", {}, make("legend", {}, "Routes: which pool serves"), ...routes.map((key) => field(key, label(key))));
}

function chooser(name, values, chosen, pick) {
  const select = make("select", { id: name, disabled: Boolean(split.closed) });
  select.append(...values.map((choice) => new Option(choice.replaceAll("_", " "), choice, false, choice === chosen)));
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

// Weights are one number per process: with another number of processes, those that remain are kept.
function fit(pool) {
  const key = `pools.${pool}.weights`;
  const size = Number(value(`pools.${pool}.processes`));
  const now = value(key) ? value(key).split(",") : [];
  if (now.length) draft[key] = Array.from({ length: size }, (_, index) => now[index] ?? "1").join(",");
}

function weights(pool) {
  const key = `pools.${pool}.weights`;
  const size = Number(value(`pools.${pool}.processes`));
  const checkbox = make("input", { type: "checkbox", id: `field-${key}`, checked: Boolean(value(key)), disabled: Boolean(split.closed) });
  checkbox.addEventListener("change", () => { draft[key] = checkbox.checked ? Array(size).fill("1").join(",") : ""; build(); review(); });
  const numbers = value(key) ? value(key).split(",") : [];
  const all = Array.from({ length: split.weights[key] }, (_, index) => String(index + 1));
  const selects = numbers.map((weight, index) => {
    const select = chooser(`field-${key}-${index}`, all, weight, (chosen) => {
      draft[key] = numbers.with(index, chosen).join(",");
      build();
      review();
    });
    select.setAttribute("aria-label", `weight of process ${index + 1} of pool ${pool}`);
    return select;
  });
  const row = make("div", { className: "field" }, make("span", {}, "weights"),
    make("div", { className: "weights" }, make("label", {}, checkbox, " custom"), ...selects));
  row.classList.toggle("changed", value(key) !== split.now[key]);
  return row;
}

async function review() {
  const mine = ++reviews;
  const edits = changes();
  let differences = [];
  if (Object.keys(edits).length) {
    try {
      differences = (await change("split/differences", { base: split.base, changes: edits })).differences;
    } catch (error) {
      if (mine === reviews) { showError(error.message); buttons(false); }
      return;
    }
  }
  if (mine !== reviews) return;
  showDifferences(differences);
  buttons(differences.length > 0);
}

function showError(message) {
  id("differences").replaceChildren(make("p", { className: "higher" }, message));
}

function showDifferences(differences) {
  if (!differences.length) id("differences").replaceChildren(make("p", { className: "soft" }, "Nothing: this is the current split."));
  else id("differences").replaceChildren(make("ul", {}, ...differences.map(([key, before, now]) => make("li", {},
    make("code", {}, key), " ", make("del", {}, before || "none"), " → ", make("ins", {}, now || "none")))));
}

let canApply = false;

function buttons(can = canApply) {
  canApply = can;
  const blocked = busy || split.applying || Boolean(split.closed);
  id("apply").disabled = blocked || !canApply;
  id("discard").disabled = blocked || !Object.keys(changes()).length;
  id("undo").disabled = blocked || !split.undoable;
  setText(id("undo"), split.undoable ? `Undo #${split.undoable}` : "Undo");
  setText(id("apply"), busy || split.applying ? "Applying…" : "Apply");
  id("panel").setAttribute("aria-busy", String(busy || split.applying));
}

const apply = () => send("split", { base: split.base, changes: changes() });
const undo = () => send("split/undo", { base: split.base });

async function send(path, body) {
  const pressed = document.activeElement;
  busy = true;
  buttons();
  setText(id("wrong"), "");
  setText(id("said"), "Applying: processes start or drain, nginx reloads.");
  try {
    const applied = await change(path, body);
    draft = {};
    setText(id("said"), `Change #${applied.number}, ${describe(applied.differences)}: ${timing(applied)}.`);
    await after(applied);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    setText(id("said"), "");
    setText(id("wrong"), `Not changed. ${error.message}`);
    await after(null);
  } finally {
    busy = false;
    buttons();
    if (pressed?.disabled) (id("undo").disabled ? id("split") : id("undo")).focus();
    else pressed?.focus();
  }
}
