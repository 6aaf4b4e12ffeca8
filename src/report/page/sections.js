"use strict";
// What the report shows, section by section, from the document (docs/report.md lists its fields). Each function returns
// the elements of a section, or null when there is nothing to show.

const data = JSON.parse(document.getElementById("data").textContent);
const labels = [...new Set(data.variants.map((variant) => variant.label))];
const environments = [...new Set(data.variants.map((variant) => variant.environment))];
const several = environments.length > 1;
// Algorithms that meet in one environment get different colours, as long as there are enough.
const colours = {};
for (const label of labels) {
  const rivals = new Set(data.variants.filter((variant) => variant.label === label).map((variant) => variant.environment));
  const taken = data.variants.filter((variant) => rivals.has(variant.environment)).map((variant) => colours[variant.label]);
  const uses = (index) => Object.values(colours).filter((other) => other === index).length + (taken.includes(index) ? 1000 : 0);
  colours[label] = [0, 1, 2, 3, 4, 5, 6, 7].reduce((best, index) => (uses(index) < uses(best) ? index : best));
}
const colourOf = (label) => colours[label];
const shapeOf = (label) => ["circle", "rectRot", "triangle", "rect", "star", "crossRot"][colourOf(label) % 6];

// Swatches are repainted when the theme changes.
function swatch(label) {
  const made = element("span", {class: "swatch", "data-colour": colourOf(label)});
  made.style.setProperty("--c", colour(colourOf(label)));
  return made;
}
const named = (label) => element("span", {class: "name"}, swatch(label), element("span", {}, label));

function section(id, title, text, ...content) {
  return element("section", {id, "data-title": title}, element("h2", {}, title), text ? element("p", {class: "muted"}, text) : null,
    ...content);
}

function summarySection() {
  const atari = data.variants.some((variant) => variant.human_normalised_iqm);
  const columns = [
    {title: "Algorithm"}, ...(several ? [{title: "Environment"}] : []),
    {title: "Runs", kind: "text", left: true, help: "Finished, of all"},
    {title: "Return", kind: "number", help: "Mean over the runs of what each is judged by: see the notes at the end"},
    {title: "IQM [95 %]", kind: "number", help: "Interquartile mean of the runs' returns, with its bootstrap interval"},
    ...(atari ? [{title: "Human-norm. IQM", kind: "number", help: "0 is a random player, 1 a human"}] : []),
    {title: "Sparsity", kind: "share", help: "Share of the policy's weights that are zero"},
    {title: "Active weights", kind: "short"}, {title: "FLOPs a step", kind: "short", help: "Of one forward pass of the policy"},
    {title: "Steps/s", kind: "count", help: "Median while training, mean over the runs"},
    {title: "Time", kind: "duration", help: "Wall time of all its runs together"},
  ];
  const rows = data.variants.map((variant) => {
    const open = variant.runs.length - variant.finished;
    return [named(variant.label), ...(several ? [variant.environment] : []),
      open ? element("span", {class: "tag open", title: open + " unfinished"}, variant.finished + " of " + variant.runs.length)
           : String(variant.runs.length),
      variant.return, variant.iqm, ...(atari ? [variant.human_normalised_iqm] : []), variant.sparsity, variant.active, variant.flops,
      variant.steps_per_second, variant.wall_seconds];
  });
  return section("summary", "Summary", null,
    element("div", {class: "card wide", style: {"margin-top": ".8rem"}}, table(columns, rows, {free: true, label: "Summary", class: "summary", id: "summary-table"}),
      tableDetails("Every run", runColumns(), () => data.runs.map(runRow))));
}

const judgedBy = (run) => {
  const of = run.return_of;
  if (!of) return null;
  const episodes = format.count(of.episodes) + (of.episodes === 1 ? " episode" : " episodes");
  return of.kind === "evaluation" ? episodes + " of the evaluation at step " + format.count(of.to_step)
    : episodes + " of training, steps " + format.count(of.from_step) + " to " + format.count(of.to_step);
};
const runColumns = () => [{title: "Run"}, {title: "Algorithm"}, {title: "Environment"}, {title: "Seed", kind: "text"},
  {title: "Step", kind: "count"}, {title: "Of", kind: "count"}, {title: "Return", kind: "number"}, {title: "Mean of"},
  {title: "Sparsity", kind: "share"}, {title: "Weights", kind: "count"}, {title: "Active", kind: "count"}, {title: "FLOPs a step", kind: "count"},
  {title: "File", kind: "bytes"}, {title: "Steps/s", kind: "count"}, {title: "Time", kind: "duration"}];
const runRow = (run) => [run.name, data.variants[run.variant].label, run.environment, run.seed, run.step, run.planned_steps, run.return,
  judgedBy(run), run.sparsity, run.parameters, run.active, run.flops, run.bytes, run.steps_per_second, run.wall_seconds];

function curveSpec(curve, kind) {
  const series = curve.variants.map((variant) => ({
    name: variant.label, colour: colourOf(variant.label),
    points: variant[kind].map(([x, runs, y, low, high]) => ({x, y, low, high, note: runs > 1 ? "(" + runs + " runs)" : ""})),
  }));
  if (curve.reference) {
    series.push({name: curve.reference.algorithm, colour: "muted", dashed: true,
      points: curve.reference.points.map(([x, runs, y, low, high]) => ({x, y, low, high, note: "(" + runs + " runs)"}))});
  }
  const named = [...curve.variants.map((variant) => [variant.label, variant[kind]]),
    ...(curve.reference ? [[curve.reference.algorithm, curve.reference.points]] : [])];
  return {
    title: curve.environment, x: {title: "Step", format: format.count, min: 0},
    y: {title: kind === "training" ? "Return while training" : "Return in evaluations", format: format.number, tick: format.short},
    series, tableTitle: "Table: " + curve.environment + ", " + kind,
    columns: [{title: "Algorithm"}, {title: "Step", kind: "count"}, {title: "Runs", kind: "count"}, {title: "IQM", kind: "number"},
      {title: "Low", kind: "number"}, {title: "High", kind: "number"}],
    rows: () => named.flatMap(([label, points]) => points.map((point) => [label, ...point])),
  };
}

function curvesSection() {
  const cards = data.curves.map((curve) => {
    const spec = (kind) => Object.assign(curveSpec(curve, kind), {wide: !several, tools});
    const tools = [];
    let card = null;
    if (curve.variants.some((variant) => variant.evaluation.length > 1)) {
      const buttons = ["training", "evaluation"].map((kind) => element("button", {class: "button", type: "button", "aria-pressed": kind === "training",
        onclick: (event) => {
          buttons.forEach((button) => button.setAttribute("aria-pressed", button === event.currentTarget));
          card.show(spec(kind));
          card.draw();
        }}, kind === "training" ? "Training" : "Evaluations"));
      tools.push(...buttons);
    }
    card = chartCard(spec("training"));
    return card;
  });
  const sources = [...new Set(data.curves.filter((curve) => curve.reference).map((curve) => curve.reference.source))];
  const text = "Interquartile mean over the runs (of fewer than four: their mean), with 95 % bootstrap intervals where there are two or more. "
    + "Training returns are means over the episodes that ended in a bin of steps. Drag across a chart to zoom, double-click to go back."
    + (sources.length ? " Dashed, for comparison: " + sources.join("; ") + "." : "");
  return section("curves", "Learning curves", text, element("div", {class: "grid"}, cards));
}

// The runs that no other run beats in both; better(a, b): a lies further on the good side of x, or as far.
function paretoFront(points, better) {
  return points.filter((point) => !points.some((other) => other !== point && other.y >= point.y && better(other.x, point.x)
    && (other.y > point.y || other.x !== point.x))).sort((a, b) => a.x - b.x || a.y - b.y);
}

function tradeCard(environment, field, x, better) {
  const runs = data.runs.filter((run) => run.environment === environment && !isNone(run.return) && !isNone(run[field]));
  if (runs.length < 2) return null;
  const members = labels.map((label) => [label, runs.filter((run) => data.variants[run.variant].label === label)]).filter(([, some]) => some.length);
  const series = members.map(([label, some]) => ({name: label, colour: colourOf(label), dots: true, radius: 6, pointStyle: shapeOf(label),
    points: some.map((run) => ({x: run[field], y: run.return, label: run.name}))}));
  const front = paretoFront(runs.map((run) => ({x: run[field], y: run.return})), better);
  if (front.length > 1) series.push({name: "Pareto front", colour: "muted", dashed: true, quiet: false, points: front, order: 5, width: 1.5});
  return chartCard({title: several ? environment : x.heading, scatter: true, series, x, y: {title: "Return", format: format.number, tick: format.short},
    note: several ? x.heading : null, tableTitle: "Table: " + x.heading.toLowerCase() + (several ? ", " + environment : ""),
    columns: [{title: "Run"}, {title: "Algorithm"}, {title: x.title, kind: x.kind}, {title: "Return", kind: "number"}],
    rows: () => runs.map((run) => [run.name, data.variants[run.variant].label, run[field], run.return])});
}

const SPARSITY_AXIS = {title: "Sparsity", kind: "share", min: 0, max: 1, format: format.share, tick: (value) => grouped(100 * value, 0) + " %"};

// All games together, as papers show it: one point an algorithm.
function normalisedTradeCard() {
  const rows = data.aggregates.human_normalised.filter((row) => row.environments.length > 1).map((row) => {
    const runs = data.runs.filter((run) => data.variants[run.variant].label === row.label && row.environments.includes(run.environment) && !isNone(run.sparsity));
    return runs.length ? {...row, x: runs.reduce((sum, run) => sum + run.sparsity, 0) / runs.length} : null;
  }).filter(Boolean);
  if (rows.length < 2) return null;
  return chartCard({title: "Human-normalised IQM against sparsity", wide: true, scatter: true, note: "All games together: one point an algorithm, at the mean sparsity of its runs.",
    x: SPARSITY_AXIS, y: {title: "Human-normalised IQM", format: format.number, tick: format.number},
    series: rows.map((row) => ({name: row.label, colour: colourOf(row.label), dots: true, radius: 7, pointStyle: shapeOf(row.label),
      points: [{x: row.x, y: row.iqm.point, label: row.label, note: isNone(row.iqm.low) ? "" : "[" + format.number(row.iqm.low) + ", " + format.number(row.iqm.high) + "]"}]})),
    tableTitle: "Table: human-normalised IQM against sparsity",
    columns: [{title: "Algorithm"}, {title: "Games", kind: "count"}, {title: "Sparsity", kind: "share"}, {title: "IQM [95 %]", kind: "number"}],
    rows: () => rows.map((row) => [row.label, row.environments.length, row.x, row.iqm])});
}

function tradeSection() {
  const cards = [normalisedTradeCard()].filter(Boolean).concat(environments.flatMap((environment) => {
    const flops = data.runs.filter((run) => run.environment === environment && run.flops).map((run) => run.flops);
    const wide = Math.max(...flops) > 5 * Math.min(...flops);
    return [
      tradeCard(environment, "sparsity", {...SPARSITY_AXIS, heading: "Return against sparsity"}, (a, b) => a >= b),
      tradeCard(environment, "flops", {title: "FLOPs a step", heading: "Return against inference cost", kind: "count", log: wide, min: wide ? undefined : 0,
        grace: wide ? undefined : "5%", format: format.count, tick: format.short}, (a, b) => a <= b),
    ].filter(Boolean);
  }));
  if (!cards.length) return null;
  return section("cost", "Return and cost", "One point a run. A dashed line joins those that no other run beats in both, where there are several.",
    element("div", {class: "grid"}, cards));
}

function aggregatesSection() {
  const content = [];
  const normalised = data.aggregates.human_normalised;
  if (normalised.length) {
    const columns = [{title: "Algorithm"}, {title: "Games", kind: "count"}, {title: "Runs", kind: "count"}, {title: "IQM [95 %]", kind: "number"},
      {title: "Median [95 %]", kind: "number"}, {title: "Mean [95 %]", kind: "number"}, {title: "Optimality gap [95 %]", kind: "number"}];
    content.push(element("article", {class: "card wide"}, element("h3", {}, "Human-normalised scores"),
      element("p", {class: "small muted"}, "0 is a random player, 1 a human. The optimality gap counts what is missing to 1."),
      table(columns, normalised.map((row) => [named(row.label), row.environments.length, row.runs, row.iqm, row.median, row.mean, row.optimality_gap]),
        {free: true, label: "Human-normalised scores", id: "normalised-table"})));
  }
  for (const profile of data.aggregates.profiles) {
    const where = profile.environments.length > 1 ? profile.environments.length + " environments" : profile.environments[0];
    content.push(chartCard({title: "Performance profile, " + where, x: {title: "Score \u03c4 (" + profile.unit + ")", format: format.number, tick: format.short},
      y: {title: "Share of runs above \u03c4", format: format.share, tick: (value) => grouped(100 * value, 0) + " %", min: 0, max: 1},
      series: profile.curves.map((curve) => ({name: curve.label, colour: colourOf(curve.label), stepped: true,
        points: curve.points.map(([y, low, high], i) => ({x: profile.taus[i], y, low, high}))})),
      tableTitle: "Table: performance profile, " + where,
      columns: [{title: "Algorithm"}, {title: "\u03c4", kind: "number"}, {title: "Share above", kind: "share"}, {title: "Low", kind: "share"}, {title: "High", kind: "share"}],
      rows: () => profile.curves.flatMap((curve) => curve.points.map((point, i) => [curve.label, profile.taus[i], ...point]))}));
  }
  if (data.aggregates.improvement.length) content.push(improvementCard());
  if (!content.length) return null;
  return section("statistics", "Statistics over runs", "After Agarwal et al. 2021; 95 % stratified bootstrap intervals, in which runs are drawn and environments are not.",
    element("div", {class: "grid"}, content));
}

function improvementCard() {
  const pairs = data.aggregates.improvement;
  const names = labels.filter((label) => pairs.some((pair) => pair.x === label || pair.y === label));
  const heat = element("div", {class: "scroll free", tabindex: 0, role: "region", "aria-label": "Probability of improvement"}, element("table", {class: "heat"},
    element("thead", {}, element("tr", {}, element("th", {class: "text"}, "Row beats column"), names.map((name) => element("th", {scope: "col"}, name)))),
    element("tbody", {}, names.map((x) => element("tr", {}, element("th", {scope: "row"}, named(x)), names.map((y) => {
      const pair = pairs.find((one) => one.x === x && one.y === y);
      if (!pair) return element("td", {}, NONE);
      const made = element("td", {"data-value": pair.point, title: pair.low + " to " + pair.high}, format.share(pair.point),
        element("span", {class: "interval"}, "[" + format.share(pair.low) + ", " + format.share(pair.high) + "]"));
      made.style.setProperty("--a", (0.6 * pair.point).toFixed(3));
      return made;
    }))))));
  return element("article", {class: "card wide"}, element("h3", {}, "Probability of improvement"),
    element("p", {class: "small muted"}, "How likely a run of the row's algorithm scores higher than one of the column's, equals counting half."), heat);
}

function layersSection() {
  const cards = environments.map((environment) => {
    const columns = data.variants.filter((variant) => variant.environment === environment && variant.runs.some((run) => data.runs[run].layers.length));
    if (!columns.length) return null;
    const names = [...new Set(columns.flatMap((variant) => variant.runs.flatMap((run) => data.runs[run].layers.map((layer) => layer.name))))];
    const layerOf = (run, name) => data.runs[run].layers.find((layer) => layer.name === name);
    const body = names.map((name) => element("tr", {}, element("th", {scope: "row"}, name, " ",
      element("span", {class: "small muted"}, shapeText(columns.flatMap((variant) => variant.runs).map((run) => layerOf(run, name)).find(Boolean)))),
      columns.map((variant) => {
        const all = variant.runs.map((run) => layerOf(run, name)).filter(Boolean).map((layer) => layer.sparsity);
        if (!all.length) return element("td", {}, NONE);
        const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
        const made = element("td", {"data-value": mean, title: mean}, format.share(mean));
        made.style.setProperty("--a", (0.72 * mean).toFixed(3));
        return made;
      })));
    const heat = element("div", {class: "scroll free", tabindex: 0, role: "region", "aria-label": "Sparsity per layer"}, element("table", {class: "heat"},
      element("thead", {}, element("tr", {}, element("th", {class: "text"}, "Layer"), columns.map((variant) => element("th", {scope: "col"}, variant.label)))),
      element("tbody", {}, body)));
    const details = tableDetails("Table: layers of every run" + (several ? ", " + environment : ""), [{title: "Run"}, {title: "Layer"}, {title: "Shape"},
      {title: "Weights", kind: "count"}, {title: "Active", kind: "count"}, {title: "Sparsity", kind: "share"}, {title: "FLOPs a step", kind: "count"}],
      () => data.runs.filter((run) => run.environment === environment).flatMap((run) => run.layers.map((layer) =>
        [run.name, layer.name, shapeText(layer), layer.parameters, layer.active, layer.sparsity, layer.flops])));
    return element("article", {class: "card"}, several ? element("h3", {}, environment) : null, heat, details);
  }).filter(Boolean);
  if (!cards.length) return null;
  return section("layers", "Sparsity per layer", "Share of zero weights in each layer of the policy, mean over the runs. Darker is sparser.",
    element("div", {class: "grid"}, cards));
}
const shapeText = (layer) => (layer ? layer.shape.join("\u00d7") : "");

function differencesSection() {
  if (!data.differences.length) return null;
  const columns = [{title: "Setting"}, ...data.variants.map((variant) => ({title: variant.label + (several ? ", " + variant.environment : "")}))];
  return section("differences", "Settings that differ", null, element("div", {class: "card", style: {"margin-top": ".8rem"}},
    table(columns, data.differences.map((row) => [element("code", {}, row.key), ...row.values]), {label: "Settings that differ", id: "differences-table"})));
}

function reproductionSection() {
  const cards = data.reproduction.map((variant) => {
    const commands = variant.commands.join("\n");
    return element("article", {class: "card"},
      element("div", {class: "head"}, element("h3", {}, named(variant.label), several ? " on " + variant.environment : ""), copyButton(commands)),
      element("pre", {tabindex: 0}, commands),
      element("details", {}, element("summary", {}, "config.toml of its first run"), element("pre", {tabindex: 0}, variant.config)));
  });
  return section("reproduction", "How to repeat these runs", "The same settings and seed give the same bits, whatever the number of threads. Results may differ between versions of the program; this is "
    + data.version + ".", element("div", {class: "grid"}, cards));
}
