"use strict";
(() => {
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bd1", "#8c6d31"];
  const GLYPHS = { circle: "\u25cf", square: "\u25a0", diamond: "\u25c6", "triangle-up": "\u25b2", x: "\u2716", star: "\u2605", "triangle-down": "\u25bc", cross: "\u271a" };
  const SYMBOLS = Object.keys(GLYPHS);
  const DASHES = { blocking: "solid", threads: "dash", async: "dot" };
  const PARTS = { generator: "#8c6d31", nginx: "#56b4e9", "nginx and loop": "#8c6bd1", loop: "#0072b2", wait: "#e69f00", driver: "#009e73", handler: "#cc79a7", rest: "#999999" };
  const BARS = { create: "#0072b2", edit: "#e69f00", delete: "#009e73" };
  const PERCENTILES = { 1: "0 %", 2: "50 %", 10: "90 %", 100: "99 %", 1000: "99.9 %", 10000: "99.99 %", 100000: "99.999 %" };
  const BEST = 6;
  const DECADES = [0.01, 0.1, 1, 10, 100, 1000, 10000];
  const LOG_TICKS = DECADES.flatMap((decade) => [1, 2, 5].map((step) => Number((decade * step).toPrecision(1))));
  const id = (name) => document.getElementById(name);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const narrow = () => window.innerWidth < 640;

  function sortable(table) {
    for (const head of table.tHead.rows[0].cells) {
      head.addEventListener("click", () => sort(table, head));
    }
  }

  function sort(table, head) {
    const column = head.cellIndex;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: key(row.cells[column], head) }));
    rows.sort((a, b) => compare(a.key, b.key) * (a.key === null || b.key === null || up ? 1 : -1));
    table.tBodies[0].append(...rows.map(({ row }) => row));
  }

  function key(cell, head) {
    if (!cell) return null;
    if (head.dataset.kind !== "number") return cell.textContent.trim();
    return cell.dataset.value ? Number(cell.dataset.value) : null;
  }

  function compare(a, b) {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  if (!id("data")) return;

  const data = JSON.parse(id("data").textContent);
  const engine = (store) => store.split("/")[0];
  const mode = (store) => store.split("/")[1];
  const drawn = [...data.views, ...data.seconds].flatMap((view) => Object.values(view.operations).flatMap((latencies) => Object.values(latencies).flatMap(Object.keys)));
  const engines = [...new Set(drawn.map(engine))].sort();
  const look = (store) => {
    const index = engines.indexOf(engine(store));
    const cycle = Math.floor(index / COLOURS.length);
    return {
      colour: engine(store) === "memory" ? css("--soft") : COLOURS[index % COLOURS.length],
      symbol: SYMBOLS[(index + cycle * 3) % SYMBOLS.length],
      dash: DASHES[mode(store)] || "solid",
    };
  };

  function label(store, view) {
    const reference = view.reference.includes(store) ? " (ref.)" : "";
    return `${engine(store)}${narrow() ? "<br>" : "/"}${mode(store)}${reference}`;
  }

  const axis = (title) => ({ title: { text: title }, gridcolor: css("--grid"), linecolor: css("--line"), zeroline: false, automargin: true });
  const title = (text) => ({ text, x: 0.02, xanchor: "left", yref: "container", y: 1, yanchor: "top", pad: { t: 14 }, font: { size: narrow() ? 14 : 16 } });
  const layout = (more) => ({
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: css("--ink"), family: "system-ui, sans-serif", size: narrow() ? 11 : 13 },
    modebar: { bgcolor: "transparent", color: css("--soft"), activecolor: css("--accent") },
    hoverlabel: { bgcolor: css("--card"), font: { color: css("--ink") }, namelength: -1 },
    ...more,
  });
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"] };

  function options(select, names) {
    select.replaceChildren(...names.map(([value, text]) => new Option(text, value)));
  }

  function drawStacked() {
    const view = data.views[id("stacked-view").value];
    const kinds = [...new Set(Object.values(view.stacked).flatMap(Object.keys))];
    const before = id("stacked-time").value;
    options(id("stacked-time"), kinds.map((kind) => [kind, kind]));
    if (kinds.includes(before)) id("stacked-time").value = before;
    const time = id("stacked-time").value;
    const total = (store) => data.stacked.reduce((sum, name) => sum + view.stacked[store][time][name], 0);
    const stores = Object.keys(view.stacked).sort((a, b) => total(a) - total(b));
    const names = stores.map((store) => label(store, view));
    const bars = data.stacked.map((name) => ({
      type: "bar", orientation: "h", name, y: names, x: stores.map((store) => view.stacked[store][time][name]),
      marker: { color: BARS[name], line: { color: css("--card"), width: 1 } },
      hovertemplate: `%{y}<br>${name}: %{x:.3f} ms<extra></extra>`,
    }));
    const sums = {
      type: "scatter", mode: "text", y: names, x: stores.map(total), text: stores.map((store) => ` ${total(store).toPrecision(3)}`),
      textposition: "middle right", showlegend: false, hoverinfo: "skip", cliponaxis: false,
    };
    Plotly.react("stacked-plot", [...bars, sums], layout({
      title: title(`${time[0].toUpperCase() + time.slice(1)} time, ${view.durability} durability`),
      barmode: "stack", height: 160 + stores.length * (narrow() ? 34 : 27),
      margin: { l: 10, r: 50, t: 80, b: 65 },
      legend: { orientation: "h", y: 1, yanchor: "bottom", x: narrow() ? -0.6 : 0, traceorder: "normal" },
      xaxis: { ...axis("ms, create + edit + delete"), rangemode: "tozero" },
      yaxis: { ...axis(""), autorange: "reversed", ticklabelposition: "outside", type: "category" },
    }), config);
  }

  function drawTime() {
    const bands = data.parts.views[id("time-view").value];
    const rows = Object.entries(bands).flatMap(([band, stores]) => Object.entries(stores).map(([store, parts]) => ({ band, store, parts })));
    const names = [rows.map(({ band }) => band), rows.map(({ store }) => (narrow() ? store.split("/").slice(0, 2).join("<br>") : store.split("/").slice(0, 2).join("/")))];
    const bars = data.parts.order.filter((name) => rows.some(({ parts }) => name in parts)).map((name) => ({
      type: "bar", orientation: "h", name, y: names, x: rows.map(({ parts }) => parts[name] || 0),
      marker: { color: PARTS[name], line: { color: css("--card"), width: 1 } },
      hovertemplate: `%{y}<br>${name}: %{x:.3f} ms<extra></extra>`,
    }));
    Plotly.react("time-plot", bars, layout({
      title: title(narrow() ? "" : id("time-view").value), barmode: "stack", height: (narrow() ? 270 : 190) + rows.length * (narrow() ? 38 : 28),
      margin: { l: 10, r: 20, t: narrow() ? 170 : 90, b: 65 },
      legend: { orientation: "h", y: 1, yanchor: "bottom", x: 0, traceorder: "normal" },
      xaxis: { ...axis("ms, mean"), rangemode: "tozero" },
      yaxis: { ...axis(""), autorange: "reversed", type: "multicategory" },
    }), config);
  }

  const shown = new Set();

  function seconds() {
    const { operations } = data.seconds[id("second-view").value];
    return (operations[id("second-operation").value] || {})[id("second-latency").value] || {};
  }

  function refill(name, names, preferred) {
    const before = id(name).value;
    options(id(name), names.map((option) => [option, option]));
    id(name).value = names.includes(before) ? before : names.includes(preferred) ? preferred : names[0];
  }

  function refreshSeconds() {
    const { operations } = data.seconds[id("second-view").value];
    refill("second-operation", Object.keys(operations), "read");
    refill("second-latency", Object.keys(operations[id("second-operation").value] || {}), "response");
    const stores = Object.keys(seconds());
    if (!stores.some((store) => shown.has(store))) stores.slice(0, BEST).forEach((store) => shown.add(store));
    listBoxes("second-stores", stores, shown, drawSeconds);
    drawSeconds();
  }

  function drawSeconds() {
    const lineOf = seconds();
    const line = (store, column, name, more) => {
      const { colour, dash } = look(store);
      const points = lineOf[store].map((point) => point || [null, null, null, null]);
      return {
        type: "scatter", mode: points.length > 60 ? "lines" : "lines+markers", name: `${store}, ${name}`, connectgaps: false,
        x: points.map((point) => point[0]), y: points.map((point) => point[column]),
        line: { color: colour, dash, width: 2.5 }, marker: { color: colour, size: 4 }, ...more,
        hovertemplate: `%{fullData.name}<br>second %{x}: %{y:.3f}${column === 1 ? "/s" : " ms"}<extra></extra>`,
      };
    };
    const lines = Object.keys(lineOf).filter((store) => shown.has(store)).flatMap((store) => [
      line(store, 1, "rate", { yaxis: "y2" }),
      line(store, 2, "median", { line: { color: look(store).colour, dash: look(store).dash, width: 1 }, opacity: 0.75 }),
      line(store, 3, "p99 or slowest"),
    ]);
    Plotly.react("second-plot", lines, layout({
      title: title(narrow() ? id("second-operation").value : `${id("second-operation").value}, ${data.seconds[id("second-view").value].title}`),
      height: narrow() ? 480 : 620, margin: { l: 10, r: 20, t: 50, b: 65 }, showlegend: false, hovermode: "closest",
      xaxis: { ...axis("second measured"), rangemode: "tozero" },
      yaxis2: { ...axis("successful/s"), rangemode: "tozero", domain: [0.66, 1] },
      yaxis: { ...axis(`${id("second-latency").value} time, ms`), domain: [0, 0.6], type: "log", tickvals: LOG_TICKS, ticktext: LOG_TICKS.map(String) },
    }), config);
  }

  const chosen = new Set();

  const shownLatencies = () => (id("curve-latency").value === "both" ? ["response", "service"] : [id("curve-latency").value]);

  function curves(latency) {
    const view = data.views[id("curve-view").value];
    return (view.operations[id("curve-operation").value] || {})[latency || view.latencies[0]] || {};
  }

  function choose(which) {
    const stores = Object.keys(curves());
    chosen.clear();
    stores.slice(0, which === "all" ? stores.length : which === "none" ? 0 : BEST).forEach((store) => chosen.add(store));
    listStores();
    drawCurves();
  }

  function swatch(store) {
    const { colour, dash, symbol } = look(store);
    const dashes = { solid: "", dash: "8 4", dot: "2 3" }[dash];
    const svg = `<svg width="34" height="10" aria-hidden="true"><line x1="1" x2="33" y1="5" y2="5" stroke="${colour}" stroke-width="3" stroke-dasharray="${dashes}"/></svg><i aria-hidden="true" style="color:${colour}">${GLYPHS[symbol]}</i>`;
    return document.createRange().createContextualFragment(svg);
  }

  function listBoxes(name, stores, ticked, draw) {
    const legend = id(name).querySelector("legend");
    const boxes = stores.map((store) => {
      const line = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: ticked.has(store) });
      box.addEventListener("change", () => {
        if (box.checked) ticked.add(store); else ticked.delete(store);
        draw();
      });
      line.append(box, swatch(store), store);
      return line;
    });
    id(name).replaceChildren(legend, ...boxes);
  }

  const listStores = () => listBoxes("curve-stores", Object.keys(curves()), chosen, drawCurves);

  function drawCurves() {
    const line = (store, latency) => {
      const { colour, symbol, dash } = look(store);
      const curveOf = curves(latency);
      const thin = shownLatencies().length > 1 && latency === "service";
      return {
        type: "scatter", mode: thin ? "lines" : "lines+markers", name: `${store}, ${latency}`, opacity: thin ? 0.75 : 1, x: curveOf[store].map(([x]) => x), y: curveOf[store].map(([, y]) => y),
        customdata: curveOf[store].map(([x]) => (100 * (1 - 1 / x)).toPrecision(5)),
        line: { color: colour, dash, width: thin ? 1 : 2.5 }, marker: { color: colour, symbol, size: 8, maxdisplayed: 8 },
        hovertemplate: "%{fullData.name}<br>%{customdata} %: %{y:.3f} ms<extra></extra>",
      };
    };
    const lines = shownLatencies().flatMap((latency) => Object.keys(curves(latency)).filter((store) => chosen.has(store)).map((store) => line(store, latency)));
    const view = data.views[id("curve-view").value];
    const ticks = Object.keys(PERCENTILES).map(Number).filter((tick) => tick > 1 || !narrow());
    Plotly.react("curve-plot", lines, layout({
      title: title(`${id("curve-operation").value}, ${view.durability} durability`),
      height: narrow() ? 380 : 520, margin: { l: 10, r: 20, t: 50, b: 65 }, showlegend: false, hovermode: "closest",
      xaxis: { ...axis("percentile (scale 1/(1-q))"), type: "log", tickangle: 0, tickvals: ticks, ticktext: ticks.map((tick) => PERCENTILES[tick]) },
      yaxis: { ...axis(shownLatencies().length > 1 ? "response time (bold) and service time (thin), ms" : `${shownLatencies()[0]} time, ms`), ...(id("curve-log").checked ? { type: "log", tickvals: LOG_TICKS, ticktext: LOG_TICKS.map(String) } : { type: "linear", rangemode: "tozero" }) },
    }), config);
  }

  function refreshOperations() {
    const before = id("curve-operation").value;
    const names = Object.keys(data.views[id("curve-view").value].operations);
    options(id("curve-operation"), names.map((name) => [name, name]));
    if (names.includes(before)) id("curve-operation").value = before;
    else if (names.includes("read")) id("curve-operation").value = "read";
    const kinds = data.views[id("curve-view").value].latencies;
    const all = kinds.length > 1 ? ["both", ...kinds] : kinds;
    const earlier = id("curve-latency").value;
    options(id("curve-latency"), all.map((kind) => [kind, kind]));
    if (all.includes(earlier)) id("curve-latency").value = earlier;
    choose("best");
  }

  const titles = data.views.map((view, index) => [index, view.title]);
  function drawSplits() {
    const points = (name, p99, done, symbol, hover) => ({
      type: "scatter", mode: "markers+text", name, x: data.splits.map((split) => split[done].estimate), y: data.splits.map((split) => split[p99].estimate / 1000),
      text: data.splits.map((split) => (symbol === "circle" ? split.name : "")), textposition: "top center", customdata: data.splits.map((split) => split.name),
      marker: { symbol, size: 11, color: data.splits.map((split) => (split.holds ? COLOURS[0] : COLOURS[1])), line: { color: css("--card"), width: 1 } },
      error_y: symbol === "circle" ? { type: "data", symmetric: false, color: css("--soft"), thickness: 1, array: data.splits.map(({ [p99]: f }) => (f.high ? (f.high - f.estimate) / 1000 : 0)), arrayminus: data.splits.map(({ [p99]: f }) => (f.low ? (f.estimate - f.low) / 1000 : 0)) } : undefined,
      hovertemplate: `%{customdata}, ${hover}<br>fast p99 %{y:.3g} ms, slow work %{x:.3g}/s<extra></extra>`,
    });
    const front = data.splits.filter((split) => split.front).sort((a, b) => a.slow_rps.estimate - b.slow_rps.estimate);
    const line = { type: "scatter", mode: "lines", name: "Pareto’s front", x: front.map((split) => split.slow_rps.estimate), y: front.map((split) => split.fast_p99_us.estimate / 1000), line: { color: css("--soft"), dash: "dot", shape: "hv" }, hoverinfo: "skip" };
    Plotly.react("split-plot", [line, points("measured", "fast_p99_us", "slow_rps", "circle", "measured"), points("the model", "predicted_fast_p99_us", "predicted_slow_rps", "diamond-open", "by the model")], layout({
      title: title("Splits: blue hold the objectives, red break one"), height: 460, margin: { l: 10, r: 20, t: 90, b: 65 },
      legend: { orientation: "h", y: 1, yanchor: "bottom", x: 0 },
      xaxis: { ...axis("slow work done, requests/s"), rangemode: "tozero" },
      yaxis: { ...axis("fast p99, ms"), type: "log" },
    }), config);
  }

  function drawAll() {
    if (id("split-plot")) drawSplits();
    if (id("stacked-view")) drawStacked();
    if (id("time-plot")) drawTime();
    if (id("second-plot")) refreshSeconds();
    if (id("curve-plot")) drawCurves();
  }

  if (id("time-plot")) {
    options(id("time-view"), Object.keys(data.parts.views).map((name) => [name, name]));
    id("time-view").addEventListener("change", drawTime);
  }
  if (id("second-plot")) {
    options(id("second-view"), data.seconds.map((chart, index) => [index, chart.title]));
    ["second-view", "second-operation", "second-latency"].forEach((name) => id(name).addEventListener("change", refreshSeconds));
  }
  if (id("stacked-view")) {
    options(id("stacked-view"), titles.filter(([index]) => Object.keys(data.views[index].stacked).length));
    ["stacked-view", "stacked-time"].forEach((name) => id(name).addEventListener("change", drawStacked));
  }
  if (id("curve-plot")) {
    options(id("curve-view"), titles);
    id("curve-view").addEventListener("change", refreshOperations);
    id("curve-operation").addEventListener("change", () => choose("best"));
    id("curve-latency").addEventListener("change", drawCurves);
    id("curve-log").addEventListener("change", drawCurves);
  }
  document.querySelectorAll("[data-choose]").forEach((button) => button.addEventListener("click", () => choose(button.dataset.choose)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (id("curve-plot")) listStores(); drawAll(); });
  matchMedia("(max-width: 640px)").addEventListener("change", drawAll);
  if (id("curve-plot")) refreshOperations();
  drawAll();
})();
