// Before and after a change, and the list of the last changes: of trials only the one in force.
import { id, make, number, clock, say, spent, told } from "./dom.js";
import { effect } from "./wire.js";

let history = [];
let chosen = null;

export function listen() {
  id("effect-of").addEventListener("change", () => { chosen = Number(id("effect-of").value); watch(true); });
}

export const choose = (change) => { chosen = change; };

export function show(changes) {
  if (JSON.stringify(changes) === JSON.stringify(history)) return;
  history = changes;
  const own = history.filter((one) => !one.trial);
  const listed = history.filter((one) => one.differences);
  chosen = own.some((one) => one.number === chosen) ? chosen : own.at(-1)?.number ?? null;
  const select = id("effect-of");
  select.disabled = !own.length;
  select.replaceChildren(...own.toReversed().map((one) => new Option(`#${one.number} ${clock(one.serving_at)} ${told(one.differences)}`, one.number, false, one.number === chosen)));
  id("history-none").hidden = listed.length > 0;
  id("history-list").replaceChildren(...listed.toReversed().map((one) => make("li", { value: one.number },
    make("code", {}, told(one.differences) || "nothing"),
    make("br"), make("span", { className: "soft" }, `${clock(one.serving_at)}, by ${one.by}${one.undoes ? `, undoes #${one.undoes}` : ""}; ${spent(one)}`))));
}

export async function watch(running) {
  if (chosen === null) return;
  id("effect-of").value = chosen;
  const asked = chosen;
  try {
    const found = await effect(asked);
    if (found.nothing) throw new Error(found.nothing);
    if (asked === chosen) tell(found, running);
  } catch (error) {
    id("effect-table").hidden = true;
    say(id("effect-text"), error.message);
  }
}

function tell(found, running) {
  const span = ([begin, end]) => `${clock(begin)} to ${clock(end)}`;
  const more = found.ended ? found.ended : !running ? "No test runs." : found.watch_s ? `Watch ${Math.ceil(found.watch_s / 5) * 5} s more for what cannot be told yet.` : "Watching on makes it finer.";
  say(id("effect-text"), `${found.seconds} s on either side: ${span(found.before)}, and ${span(found.after)}. ${more}`);
  id("effect-table").hidden = !found.rows.length;
  // What is read aloud is what has been decided, not the seconds that go by.
  const decided = found.rows.filter((row) => ["lower", "higher"].includes(row.verdict));
  say(id("verdicts"), decided.map((row) => `${row.pool}, ${row.measure}: ${row.verdict} after change ${chosen}`).join(". "));
  const rows = [];
  for (const row of found.rows) {
    if (row.pool !== rows.pool) rows.push(make("tr", {}, Object.assign(make("th", { colSpan: 4, scope: "rowgroup" }), { textContent: row.pool })));
    rows.pool = row.pool;
    rows.push(line(row));
  }
  id("effect-rows").replaceChildren(...rows);
}

function figure(one, unit) {
  if (!one) return make("td", {}, "–");
  const cell = make("td", {}, `${number(one.estimate)} ${unit}`);
  if (one.low !== null) cell.append(make("small", {}, `${number(one.low)} – ${number(one.high)}`));
  return cell;
}

function line(row) {
  const verdict = make("td", {}, make("span", { className: `${row.verdict.split(" ")[0]} ${row.measure}` }, row.verdict));
  if (row.ratio) verdict.append(make("small", {}, `× ${number(row.ratio.estimate)}: ${number(row.ratio.low)} – ${number(row.ratio.high)}`));
  if (row.why) verdict.append(make("small", {}, row.why));
  return make("tr", {}, make("th", { scope: "row" }, row.measure), figure(row.before, row.unit), figure(row.after, row.unit), verdict);
}
