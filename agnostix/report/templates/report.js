"use strict";
(() => {
  const summary = JSON.parse(document.getElementById("summary").textContent);
  const byId = (id) => document.getElementById(id);
  const { share, decimals } = summary.outcome;
  const grouped = (text) => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, "\u202f"));
  const minus = (text) => grouped(text).replace(/^-/, /[1-9]/.test(text) ? "\u2212" : "").replace("e-", "e\u2212");
  const digits = (x, n) => minus(x.toFixed(n));
  const significant = (x, n = 3) => {
    if (x === 0) return "0";
    const size = Math.floor(Math.log10(Math.abs(x)));
    return minus(size < Math.max(9, n) && size > -5 ? x.toFixed(Math.max(n - 1 - size, 0)) : x.toExponential(n - 1));
  };
  const outcome = (x) => (x === null ? "\u2013" : share ? digits(100 * x, Math.max(decimals, 1)) + "\u202f%" : digits(x, decimals));
  const percent = (x) => digits(100 * x, 100 * x < 1 ? 2 : x < 0.1 ? 1 : 0) + "\u202f%";

  const levers = summary.levers;
  const nameOf = (lever) => (lever.level === null ? lever.feature : `${lever.feature} = ${lever.level}`);

  function readOut(lever, i) {
    const size = (x) => Math.floor(Math.log10(x));
    const spread = lever.target[lever.target.length - 1] - lever.target[0];
    const largest = Math.max(...lever.target.map(Math.abs));
    const n = spread > 0 ? Math.min(Math.max(size(largest) - size(spread) + 2, 3), 12) : 3;
    const written = (x) => (lever.level === null ? significant(x, n) : percent(x));
    const average = written(lever.target[i]);
    const start = written(lever.target[lever.start]);
    byId("whatif-kind").textContent = lever.level === null ? "average" : "share";
    byId("whatif-average").textContent = average;
    byId("whatif-target").setAttribute("aria-valuetext", average);
    byId("whatif-value").textContent = outcome(lever.value[i]);
    byId("whatif-interval").textContent = `(${outcome(lever.low[i])} to ${outcome(lever.high[i])})`;
    byId("whatif-change").textContent = i === lever.start
      ? `${summary.outcome.name}, in the data as they are.`
      : `${summary.outcome.name}, instead of ${outcome(lever.value[lever.start])} in the data, where it is ${start}.`;
    const support = { ok: "", thin: " Support is thin: the interval may be too narrow.", boundary: " On the edge of the data.", infeasible: " No reweighting reaches this." }[lever.status[i]];
    byId("whatif-realism").textContent = lever.ess_fraction[i] === null ? support.trim()
      : `Realism: ${percent(lever.ess_fraction[i])} effective rows; the heaviest row counts ${significant(lever.max_weight[i], 2)} times.${support}`;
    const moved = lever.moved[i].map(([name, by]) => `${name} ${by > 0 ? "+" : "\u2212"}${Math.abs(by).toFixed(2)}`);
    byId("whatif-moved").textContent = moved.length ? `What else moved, in standard deviations: ${moved.join(", ")}.` : "Nothing else moved by more than 0.05 standard deviations.";
  }

  function draw(lever, i) {
    const svg = byId("whatif-picture");
    const known = lever.target.map((_, j) => j).filter((j) => lever.value[j] !== null);
    const lows = known.map((j) => lever.low[j] ?? lever.value[j]);
    const highs = known.map((j) => lever.high[j] ?? lever.value[j]);
    const [x0, x1] = [lever.target[known[0]], lever.target[known[known.length - 1]]];
    const [y0, y1] = [Math.min(...lows), Math.max(...highs)];
    const x = (v) => 8 + 444 * (x1 > x0 ? (v - x0) / (x1 - x0) : 0.5);
    const y = (v) => 150 - 136 * (y1 > y0 ? (v - y0) / (y1 - y0) : 0.5);
    const point = (j, v) => `${x(lever.target[j]).toFixed(1)},${y(v).toFixed(1)}`;
    const make = (tag, attributes) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      svg.append(node);
      return node;
    };
    svg.replaceChildren();
    const band = known.map((j, k) => point(j, highs[k])).concat(known.map((j, k) => point(j, lows[k])).reverse());
    make("polygon", { points: band.join(" "), style: "fill: var(--accent); opacity: .2" });
    for (let k = 1; k < known.length; k += 1) {
      const [a, b] = [known[k - 1], known[k]];
      const solid = lever.status[a] === "ok" && lever.status[b] === "ok";
      make("polyline", { points: `${point(a, lever.value[a])} ${point(b, lever.value[b])}`, style: `fill: none; stroke: var(--accent); stroke-width: 2; opacity: ${solid ? 1 : 0.4}` });
    }
    make("circle", { cx: x(lever.target[lever.start]), cy: y(lever.value[lever.start]), r: 3.5, style: "fill: var(--muted)" });
    if (lever.value[i] !== null) make("circle", { cx: x(lever.target[i]), cy: y(lever.value[i]), r: 6, style: "fill: var(--contrast)" });
    make("line", { x1: 8, x2: 452, y1: 160, y2: 160, style: "stroke: var(--faint)" });
    const ends = lever.level === null ? (v) => significant(v) : percent;
    const write = (text, at) => {
      const node = make("text", { ...at, "font-size": 11, style: "fill: var(--muted)" });
      node.textContent = text;
    };
    write(ends(x0), { x: 8, y: 175 });
    write(ends(x1), { x: 452, y: 175, "text-anchor": "end" });
    write(outcome(y1), { x: 8, y: 10 });
    write(outcome(y0), { x: 452, y: 154, "text-anchor": "end" });
  }

  if (levers.length) {
    const select = byId("whatif-feature");
    const slider = byId("whatif-target");
    levers.forEach((lever, j) => select.add(new Option(nameOf(lever), String(j))));
    const show = () => {
      const lever = levers[Number(select.value)];
      readOut(lever, Number(slider.value));
      draw(lever, Number(slider.value));
    };
    const choose = () => {
      const lever = levers[Number(select.value)];
      slider.max = String(lever.target.length - 1);
      slider.value = String(lever.start);
      show();
    };
    select.addEventListener("change", choose);
    slider.addEventListener("input", show);
    choose();
  }

  const flat = (rows) => rows.map(({ text, ...rest }) => rest);
  const tables = {
    ranking: () => summary.ranking,
    quality: () => summary.quality.ranking,
    baseline: () => flat(summary.baseline),
    groups: () => flat(summary.groups),
    curves: () => levers.flatMap((lever) => lever.target.map((target, i) => ({
      feature: lever.feature, level: lever.level, target, value: lever.value[i], std_error: lever.std_error[i], low: lever.low[i], high: lever.high[i],
      slope: lever.slope[i], kl: lever.kl[i], ess_fraction: lever.ess_fraction[i], max_weight: lever.max_weight[i], status: lever.status[i],
    }))),
    scenarios: () => summary.scenarios.flatMap((s) => flat(s.outcomes).map((row) => ({ question: s.question, ...row, kl: s.kl, ess_fraction: s.ess_fraction, status: s.status }))),
    rules: () => flat(summary.rules.leaves),
    rows: () => summary.rows.flatMap((row) => row.explanations.flatMap((part) => flat(part.values).map((value) => ({
      row: row.name, position: row.position, method: part.method, ...value, base_value: part.base_value, surrogate_output: part.fidelity?.surrogate_output, r2: part.fidelity?.r2, output: part.output, confidence_level: part.confidence_level,
    })))),
    nearest: () => summary.rows.flatMap((row) => [{ ...row, distance: 0 }, ...row.nearest.rows].map((near, rank) => ({
      row: row.name, rank, position: near.position, label: near.label, distance: near.distance, prediction: near.prediction, truth: near.truth, ...near.values,
    }))),
    shifts: () => summary.scenarios.flatMap((s) => s.shifts.map((row) => ({ question: s.question, ...row }))),
  };
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    const text = String(value);
    // a leading =, +, -, @ in a text would be run as a formula by a spreadsheet
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csv = (rows) => {
    const names = rows.length ? Object.keys(rows[0]) : [];
    return [names.map(cell).join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\r\n") + "\r\n";
  };
  document.querySelectorAll("button[data-table]").forEach((button) => button.addEventListener("click", () => {
    const name = button.dataset.table;
    const [text, kind, ending] = name === "summary" ? [JSON.stringify(summary, null, 1), "application/json", "json"] : [csv(tables[name]()), "text/csv", "csv"];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
    link.download = `what-if-${name}.${ending}`;
    link.click();
    URL.revokeObjectURL(link.href);
  }));
})();
