// Before and after a change, and the list of the last changes; of trials only the one in force.
import { id, make, number, clock, setText, timing, describe } from "./dom.js";
import { effect } from "./http.js";

let history = [];
let chosen = null;

export function listen() {
  id("effect-of").addEventListener("change", () => { chosen = Number(id("effect-of").value); watch(true); });
}

export const choose = (change) => { chosen = change; };

export function show(changes) {
  if (JSON.stringify(changes) === JSON.stringify(history)) return;
  history = changes;
  const edits = history.filter((change) => !change.trial);
  const listed = history.filter((change) => change.differences);
  chosen = edits.some((change) => change.number === chosen) ? chosen : edits.at(-1)?.number ?? null;
  const select = id("effect-of");
  select.disabled = !edits.length;
  select.replaceChildren(...edits.toReversed().map((change) => new Option(`#${change.number} ${clock(change.serving_at)} ${describe(change.differences)}`, change.number, false, change.number === chosen)));
  id("history-none").hidden = listed.length > 0;
  id("history-list").replaceChildren(...listed.toReversed().map((change) => make("li", { value: change.number },
    make("code", {}, describe(change.differences) || "nothing"),
    make("br"), make("span", { className: "soft" }, `${clock(change.serving_at)}, by ${change.by}${change.undoes ? `, undoes #${change.undoes}` : ""}; ${timing(change)}`))));
}

export async function watch(running) {
  if (chosen === null) return;
  id("effect-of").value = chosen;
  const requested = chosen;
  try {
    const comparison = await effect(requested);
    if (comparison.nothing) throw new Error(comparison.nothing);
    if (requested === chosen) render(comparison, running);
  } catch (error) {
    id("effect-table").hidden = true;
    setText(id("effect-text"), error.message);
  }
}

function render(comparison, running) {
  const span = ([begin, end]) => `${clock(begin)} to ${clock(end)}`;
  const more = comparison.ended ? comparison.ended : !running ? "No test runs." : comparison.watch_s ? `Watch ${Math.ceil(comparison.watch_s / 5) * 5} s more to decide what is inconclusive.` : "Watching longer narrows the intervals.";
  setText(id("effect-text"), `${comparison.seconds} s on either side: ${span(comparison.before)}, and ${span(comparison.after)}. ${more}`);
  id("effect-table").hidden = !comparison.rows.length;
  // Screen readers get the verdicts, not the seconds that go by.
  const decided = comparison.rows.filter((row) => ["lower", "higher"].includes(row.verdict));
  setText(id("verdicts"), decided.map((row) => `${row.pool}, ${row.measure}: ${row.verdict} after change ${chosen}`).join(". "));
  const rows = [];
  for (const row of comparison.rows) {
    if (row.pool !== rows.pool) rows.push(make("tr", {}, Object.assign(make("th", { colSpan: 4, scope: "rowgroup" }), { textContent: row.pool })));
    rows.pool = row.pool;
    rows.push(tableRow(row));
  }
  id("effect-rows").replaceChildren(...rows);
}

function figureCell(estimate, unit) {
  if (!estimate) return make("td", {}, "–");
  const cell = make("td", {}, `${number(estimate.estimate)} ${unit}`);
  if (estimate.low !== null) cell.append(make("small", {}, `${number(estimate.low)} – ${number(estimate.high)}`));
  return cell;
}

function tableRow(row) {
  const verdict = make("td", {}, make("span", { className: `${row.verdict} ${row.measure}` }, row.verdict));
  if (row.ratio) verdict.append(make("small", {}, `× ${number(row.ratio.estimate)}: ${number(row.ratio.low)} – ${number(row.ratio.high)}`));
  if (row.why) verdict.append(make("small", {}, row.why));
  return make("tr", {}, make("th", { scope: "row" }, row.measure), figureCell(row.before, row.unit), figureCell(row.after, row.unit), verdict);
}
