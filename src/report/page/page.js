"use strict";
// Puts the page together: the header, one run's charts to choose from, the sections in order, light and dark.

function updatesSpec(run, field) {
  const updates = run.updates;
  const networks = Math.max(0, ...updates[field].map((row) => row.length));
  const series = Array.from({length: networks}, (_, k) => ({name: "Network " + k, colour: k, width: networks > 1 ? 1.4 : 2, order: 3,
    points: updates.step.map((x, i) => ({x, y: updates[field][i][k]})).filter((point) => !isNone(point.y) && (field !== "losses" || point.y > 0))}));
  const chosen = updates.step.map((x, i) => ({x, network: updates.selected[i], y: isNone(updates.selected[i]) ? null : updates[field][i][updates.selected[i]]}))
    .filter((point) => !isNone(point.y) && (field !== "losses" || point.y > 0));
  if (networks > 1 && chosen.length) {
    series.push({name: "Selected as the target", colour: "ink", dots: true, radius: updates.step.length > 150 ? 1.8 : 3.5, points: chosen,
      pointColours: true, order: 1});
  }
  const actor = updates.step.map((x, i) => ({x, y: updates.actor[i]})).filter((point) => !isNone(point.y));
  if (field === "sparsities" && actor.length) series.push({name: "Actor, which ships", colour: "ink", dashed: true, points: actor, order: 2});
  const isLoss = field === "losses";
  return {
    title: isLoss ? "Loss of each network" : "Sparsity of each network",
    note: (isLoss ? "Summed between target updates; the smallest is selected. " : "After each target update; dots have the colour of the selected network. ")
      + (updates.every > 1 ? "Every " + updates.every + "th update and the last." : ""),
    x: {title: "Step", format: format.count, min: 0},
    y: isLoss ? {title: "Loss", log: true, format: format.number, tick: format.short}
      : {title: "Sparsity", min: 0, format: format.share, tick: (value) => brief(100 * value, 1) + " %"},
    series, tableTitle: "Table: " + (isLoss ? "losses" : "sparsity") + " of " + run.name,
    columns: [{title: "Step", kind: "count"}, {title: "Selected", kind: "count"}, ...Array.from({length: networks}, (_, k) => ({title: "Network " + k, kind: isLoss ? "number" : "share"})),
      ...(isLoss || !actor.length ? [] : [{title: "Actor", kind: "share"}])],
    rows: () => updates.step.map((step, i) => [step, updates.selected[i], ...Array.from({length: networks}, (_, k) => updates[field][i][k]),
      ...(isLoss || !actor.length ? [] : [updates.actor[i]])]),
  };
}

function runFacts(run) {
  const rows = [["Algorithm", named(data.variants[run.variant].label)], ["Environment", run.environment], ["Seed", run.seed],
    ["Progress", format.count(run.step) + " of " + format.count(run.planned_steps) + " steps" + (run.finished ? ", finished" : "")],
    ["Return", isNone(run.return) ? NONE : format.number(run.return)], ["Mean of", judgedBy(run) || NONE],
    ["Sparsity", isNone(run.sparsity) ? NONE : format.share(run.sparsity)],
    ["Active weights", isNone(run.active) ? NONE : format.count(run.active) + " of " + format.count(run.parameters)],
    ["Speed", isNone(run.steps_per_second) ? NONE : format.count(run.steps_per_second) + " steps/s, " + format.duration(run.wall_seconds) + " in all"]];
  return element("dl", {}, rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function clipOf(run) {
  if (!run.video) return null;
  if (!run.video_data) return element("p", {class: "small muted"}, "There is a clip, " + run.video + ", in the run's directory; it is too large for this page.");
  const isVideo = run.video_data.startsWith("data:video");
  return isVideo ? element("video", {src: run.video_data, controls: true, loop: true, muted: true, playsinline: true, preload: "metadata"})
    : element("img", {src: run.video_data, class: "clip", alt: "The agent playing " + run.environment});
}

function runsSection() {
  if (!data.runs.length) return null;
  const chooser = element("select", {"aria-label": "Run", id: "run-chooser"}, data.runs.map((run, i) => element("option", {value: i}, run.name)));
  const facts = element("article", {class: "card"});
  // The best run of the first algorithm with the largest population shows most.
  const networks = (run) => Math.max(0, ...run.updates.sparsities.map((row) => row.length));
  const first = data.runs.reduce((best, run) => (networks(run) > networks(best)
    || (networks(run) === networks(best) && run.variant === best.variant && run.return > best.return) ? run : best));
  chooser.value = data.runs.indexOf(first);
  const sparsity = chartCard(updatesSpec(first, "sparsities")), losses = chartCard(updatesSpec(first, "losses"));
  const fill = (run) => facts.replaceChildren(...[element("div", {class: "head"}, element("h3", {}, run.name)), runFacts(run), clipOf(run)].filter(Boolean));
  chooser.addEventListener("change", () => {
    const run = data.runs[chooser.value];
    fill(run);
    for (const [card, field] of [[sparsity, "sparsities"], [losses, "losses"]]) {
      card.show(updatesSpec(run, field));
      if (allCharts.has(card)) card.draw();
    }
  });
  fill(first);
  const label = element("label", {class: "small"}, "Run ", chooser);
  return section("runs", "One run in detail", null, element("p", {}, label), element("div", {class: "grid"}, facts, sparsity, losses));
}

function problemsBanner() {
  if (!data.problems.length) return null;
  const count = data.problems.length;
  return element("div", {class: "banner", id: "problems"}, element("details", {}, element("summary", {}, count + (count === 1 ? " problem" : " problems")
    + " with the runs' files; everything else is shown"), table([{title: "Run"}, {title: "File"}, {title: "Line", kind: "count"}, {title: "What"}],
    data.problems.map((problem) => [problem.run, problem.file, problem.line, problem.what]), {label: "Problems"})));
}

function tiles() {
  const total = (field) => data.runs.reduce((sum, run) => sum + (run[field] || 0), 0);
  const finished = data.runs.filter((run) => run.finished).length;
  const sparsest = data.runs.filter((run) => !isNone(run.sparsity)).reduce((best, run) => (!best || run.sparsity > best.sparsity ? run : best), null);
  const tile = (value, text) => element("div", {class: "tile"}, element("b", {}, value), element("span", {}, text));
  return element("div", {class: "tiles"}, tile(finished + " / " + data.runs.length, "runs finished"), tile(format.short(total("step")), "environment steps"),
    tile(format.duration(total("wall_seconds")), "of training, all runs"), sparsest ? tile(format.share(sparsest.sparsity), "sparsest policy") : null);
}

function setTheme(choice) {
  const dark = choice === "dark" || (choice === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const button = document.getElementById("theme");
  button.dataset.choice = choice;
  button.textContent = {auto: "Auto", light: "Light", dark: "Dark"}[choice];
  button.setAttribute("aria-label", "Colours: " + choice + ". Click to change.");
  for (const made of document.querySelectorAll("[data-colour]")) made.style.setProperty("--c", colour(Number(made.dataset.colour)));
  redrawCharts();
}

function main() {
  const plural = (count, word) => count + " " + word + (count === 1 ? "" : "s");
  const title = several ? plural(environments.length, "environment") : environments[0];
  document.title = title + " \u2013 eaudeqn report";
  document.getElementById("title").textContent = title;
  document.getElementById("subtitle").textContent = plural(data.runs.length, "run") + " of " + plural(labels.length, "algorithm")
    + (several ? ": " + environments.slice(0, 6).join(", ") + (environments.length > 6 ? ", ..." : "") : "");
  setTheme("auto");
  const holder = document.getElementById("main");
  holder.append(...[problemsBanner(), tiles()].filter(Boolean));
  // A study over several environments is read by its statistics first.
  const study = several ? [aggregatesSection, tradeSection, curvesSection] : [curvesSection, tradeSection, aggregatesSection];
  const sections = [summarySection, ...study, runsSection, layersSection, differencesSection, reproductionSection]
    .map((make) => make()).filter(Boolean);
  holder.append(...sections);
  document.getElementById("contents").append(...sections.map((made) => element("a", {href: "#" + made.id}, made.dataset.title)));
  document.getElementById("footer").textContent = "A run is judged by the mean return of its last evaluation; without one, by its training episodes in the last tenth of its steps. "
    + "IQM: mean of the middle half. Intervals: 95 % percentile bootstrap, stratified by environment. FLOPs: two per active weight and place it is used at. "
    + "Time: wall time that the runs' processes recorded. eaudeqn " + data.version + "."
    + (HAS_CHARTS ? " Charts: Chart.js, under the MIT licence." : " Built without the chart library: tables only.");
  setTheme("auto");
  document.getElementById("theme").addEventListener("click", (event) => {
    setTheme({auto: "light", light: "dark", dark: "auto"}[event.currentTarget.dataset.choice]);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(document.getElementById("theme").dataset.choice));
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redrawCharts(); } });
}

main();
