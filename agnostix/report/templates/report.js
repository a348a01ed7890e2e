"use strict";
(() => {
  const summary = JSON.parse(document.getElementById("summary").textContent);
  const byId = (id) => document.getElementById(id);
  const { in_percent, decimals } = summary.outcome;
  const grouped = (text) => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, "\u202f"));
  const minus = (text) => grouped(text).replace(/^-/, /[1-9]/.test(text) ? "\u2212" : "").replace("e-", "e\u2212");
  const digits = (x, n) => minus(x.toFixed(n));
  const significant = (x, n = 3) => {
    if (x === 0) return "0";
    const size = Math.floor(Math.log10(Math.abs(x)));
    return minus(size < Math.max(9, n) && size > -5 ? x.toFixed(Math.max(n - 1 - size, 0)) : x.toExponential(n - 1));
  };
  const outcome = (x) => (x === null ? "\u2013" : in_percent ? digits(100 * x, Math.max(decimals, 1)) + "\u202f%" : digits(x, decimals));
  const percent = (x) => digits(100 * x, 100 * x < 1 ? 2 : x < 0.1 ? 1 : 0) + "\u202f%";

  const curves = summary.curves;
  const nameOf = (curve) => (curve.level === null ? curve.feature : `${curve.feature} = ${curve.level}`);

  function readOut(curve, i) {
    const size = (x) => Math.floor(Math.log10(x));
    const spread = curve.target[curve.target.length - 1] - curve.target[0];
    const largest = Math.max(...curve.target.map(Math.abs));
    const n = spread > 0 ? Math.min(Math.max(size(largest) - size(spread) + 2, 3), 12) : 3;
    const written = (x) => (curve.level === null ? significant(x, n) : percent(x));
    const average = written(curve.target[i]);
    const start = written(curve.target[curve.observed_index]);
    byId("whatif-kind").textContent = curve.level === null ? "average" : "share";
    byId("whatif-average").textContent = average;
    byId("whatif-target").setAttribute("aria-valuetext", average);
    byId("whatif-value").textContent = outcome(curve.value[i]);
    byId("whatif-interval").textContent = `(${outcome(curve.low[i])} to ${outcome(curve.high[i])})`;
    byId("whatif-change").textContent = i === curve.observed_index
      ? `${summary.outcome.name}, in the observed data.`
      : `${summary.outcome.name}, instead of ${outcome(curve.value[curve.observed_index])} in the observed data at ${start}.`;
    const support = { ok: "", thin: " Support is thin: the interval may be too narrow.", boundary: " On the boundary of the data.", infeasible: " No reweighting reaches this.", "few events": " Few events: no interval holds.", "heavy tails": " Heavy tails: no interval holds." }[curve.status[i]];
    byId("whatif-weights").textContent = curve.ess_fraction[i] === null ? support.trim()
      : `Effective sample size ${percent(curve.ess_fraction[i])}; the largest weight is ${significant(curve.max_weight[i], 2)} times the average.${support}`;
    const shifts = curve.correlated_shifts[i].map(([name, by]) => `${name} ${by > 0 ? "+" : "\u2212"}${Math.abs(by).toFixed(2)}`);
    byId("whatif-shifts").textContent = shifts.length ? `Correlated shifts, in standard deviations: ${shifts.join(", ")}.` : "No other feature shifts by more than 0.05 standard deviations.";
  }

  function draw(curve, i) {
    const svg = byId("whatif-picture");
    const known = curve.target.map((_, j) => j).filter((j) => curve.value[j] !== null);
    const lows = known.map((j) => curve.low[j] ?? curve.value[j]);
    const highs = known.map((j) => curve.high[j] ?? curve.value[j]);
    const [x0, x1] = [curve.target[known[0]], curve.target[known[known.length - 1]]];
    const [y0, y1] = [Math.min(...lows), Math.max(...highs)];
    const x = (v) => 8 + 444 * (x1 > x0 ? (v - x0) / (x1 - x0) : 0.5);
    const y = (v) => 150 - 136 * (y1 > y0 ? (v - y0) / (y1 - y0) : 0.5);
    const point = (j, v) => `${x(curve.target[j]).toFixed(1)},${y(v).toFixed(1)}`;
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
      const solid = curve.status[a] === "ok" && curve.status[b] === "ok";
      make("polyline", { points: `${point(a, curve.value[a])} ${point(b, curve.value[b])}`, style: `fill: none; stroke: var(--accent); stroke-width: 2; opacity: ${solid ? 1 : 0.4}` });
    }
    make("circle", { cx: x(curve.target[curve.observed_index]), cy: y(curve.value[curve.observed_index]), r: 3.5, style: "fill: var(--muted)" });
    if (curve.value[i] !== null) make("circle", { cx: x(curve.target[i]), cy: y(curve.value[i]), r: 6, style: "fill: var(--contrast)" });
    make("line", { x1: 8, x2: 452, y1: 160, y2: 160, style: "stroke: var(--faint)" });
    const ends = curve.level === null ? (v) => significant(v) : percent;
    const write = (text, at) => {
      const node = make("text", { ...at, "font-size": 11, style: "fill: var(--muted)" });
      node.textContent = text;
    };
    write(ends(x0), { x: 8, y: 175 });
    write(ends(x1), { x: 452, y: 175, "text-anchor": "end" });
    write(outcome(y1), { x: 8, y: 10 });
    write(outcome(y0), { x: 452, y: 154, "text-anchor": "end" });
  }

  if (curves.length) {
    const select = byId("whatif-feature");
    const slider = byId("whatif-target");
    curves.forEach((curve, j) => select.add(new Option(nameOf(curve), String(j))));
    const show = () => {
      const curve = curves[Number(select.value)];
      readOut(curve, Number(slider.value));
      draw(curve, Number(slider.value));
    };
    const choose = () => {
      const curve = curves[Number(select.value)];
      slider.max = String(curve.target.length - 1);
      slider.value = String(curve.observed_index);
      show();
    };
    select.addEventListener("change", choose);
    slider.addEventListener("input", show);
    choose();
  }

  // a Map, which keeps the order of columns named 0, 1, ...; a column named as one of the table's own gets a number
  const withColumns = (own, values) => {
    const all = new Map(Object.entries(own));
    const taken = new Set([...all.keys(), ...Object.keys(values)]);
    for (const [name, value] of Object.entries(values)) {
      let free = name;
      for (let k = 2; all.has(free) || (free !== name && taken.has(free)); k += 1) free = `${name}_${k}`;
      all.set(free, value);
    }
    return all;
  };
  const flat = (rows) => rows.map(({ text, ...rest }) => rest);
  const tables = {
    ranking: () => summary.ranking,
    quality: () => summary.quality.ranking,
    baseline: () => flat(summary.baseline),
    groups: () => flat(summary.groups),
    curves: () => curves.flatMap((curve) => curve.target.map((target, i) => ({
      feature: curve.feature, level: curve.level, target, value: curve.value[i], std_error: curve.std_error[i], low: curve.low[i], high: curve.high[i],
      slope: curve.slope[i], kl: curve.kl[i], ess_fraction: curve.ess_fraction[i], max_weight: curve.max_weight[i], status: curve.status[i],
    }))),
    scenarios: () => summary.scenarios.flatMap((s) => flat(s.outcomes).map((row) => ({ scenario: s.name ?? s.description, ...row, kl: s.kl, ess_fraction: s.ess_fraction, status: s.status }))),
    rules: () => flat(summary.rules.leaves),
    rows: () => summary.rows.flatMap((row) => row.explanations.flatMap((part) => flat(part.values).map((value) => ({
      row: row.name, position: row.position, method: part.method, ...value, base_value: part.base_value, surrogate_output: part.fidelity?.surrogate_output, r2: part.fidelity?.r2, output: part.output, confidence_level: part.confidence_level,
    })))),
    neighbors: () => summary.rows.flatMap((row) => [{ ...row, distance: 0 }, ...row.neighbors.rows].map((near, rank) => withColumns({
      row: row.name, rank, position: near.position, label: near.label, distance: near.distance, prediction: near.prediction, observed: near.observed,
    }, near.values))),
    maps: () => summary.pictures.images.flatMap((image) => flat(image.maps).map((map) => ({ image: image.name, position: image.position, ...map }))),
    shifts: () => summary.scenarios.flatMap((s) => s.shifts.map((row) => ({ scenario: s.name ?? s.description, ...row }))),
  };
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    const text = String(value);
    // A spreadsheet runs a text as a formula if it begins with =, +, -, @ in any width, whatever unseen stands before.
    const start = text.normalize("NFKC").replace(/^[\s\p{C}]+/u, "");
    const safe = typeof value === "string" && (/^[=+\-@]/.test(start) || /^[\t\r\n]/.test(text)) ? `'${text}` : text;
    return /[",;\t\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csv = (rows) => {
    const entries = rows.map((row) => (row instanceof Map ? row : new Map(Object.entries(row))));
    const names = rows.length ? [...entries[0].keys()] : [];
    return [names.map(cell).join(","), ...entries.map((row) => names.map((name) => cell(row.get(name))).join(","))].join("\r\n") + "\r\n";
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
