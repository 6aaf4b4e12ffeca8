"use strict";
// Charts on the library that stands above this script: colours, legends, zoom, and the table below each. What is shown is
// sections.js's business. Without the library the tables open instead.

const HAS_CHARTS = typeof Chart !== "undefined";
const PALETTES = {
  light: ["#0b5fce", "#c2410c", "#0f7b5a", "#8b3fc0", "#b4186b", "#0a7f99", "#7a6200", "#7c4a2d"],
  dark: ["#74aeff", "#ff9a62", "#4fd3a3", "#c99bff", "#ff86c1", "#55cfe8", "#e0c255", "#d0a184"],
};
const allCharts = new Set();

const darkNow = () => document.documentElement.dataset.theme === "dark";
const colour = (index) => PALETTES[darkNow() ? "dark" : "light"][index % 8];
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
// A palette index, or the name of a page colour.
const resolve = (which) => (typeof which === "number" ? colour(which) : ink(which));
const faded = (hex, alpha) => hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
const remSize = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

// series: {name, colour, points: [{x, y, low, high, ...}], dashed, dots, width, hidden, band}
function datasetsOf(series, index) {
  const main = resolve(series.colour), size = remSize() / 16;
  const made = {
    label: series.name, data: series.points, parsing: false, series: index, borderColor: main, backgroundColor: main,
    borderWidth: (series.width || 2) * size, borderDash: series.dashed ? [6, 4] : [], hidden: series.hidden,
    stepped: series.stepped || false, showLine: !series.dots, tension: 0, spanGaps: true, order: series.order || 1,
    pointRadius: series.dots ? (series.radius || 5) * size : series.points.length === 1 ? 4 * size : 0,
    pointHoverRadius: series.dots ? (series.radius || 5) * size + 2 : 4 * size, pointStyle: series.pointStyle || "circle", quiet: series.quiet,
    clip: series.dots || series.points.length === 1 ? 9 : 0,  // a point on an axis is drawn whole
  };
  if (series.pointColours) {
    made.pointBackgroundColor = series.points.map((point) => colour(point.network));
    made.pointBorderColor = made.pointBackgroundColor;
  }
  if (!series.points.some((point) => !isNone(point.low))) return [made];
  const edge = (field, fill) => ({
    label: series.name, data: series.points.filter((point) => !isNone(point.low)).map((point) => ({x: point.x, y: point[field]})),
    parsing: false, series: index, quiet: true, borderWidth: 0, pointRadius: 0, pointHoverRadius: 0, fill,
    backgroundColor: faded(main, darkNow() ? 0.2 : 0.14), hidden: series.hidden, order: 9, tension: 0, stepped: made.stepped,
  });
  return [made, edge("low", false), edge("high", "-1")];
}

function axis(options, grid) {
  const scale = {
    type: options.log ? "logarithmic" : "linear", min: options.min, max: options.max, grace: options.grace,
    title: {display: true, text: options.title, color: ink("muted")},
    ticks: {color: ink("muted"), maxRotation: 0, autoSkipPadding: 14, callback: (value) => (options.tick || format.short)(value)},
    grid: {color: grid ? ink("line") : "transparent", tickColor: ink("line")}, border: {color: ink("line")},
  };
  if (options.log) {
    // Only the powers of ten and their halves get a name.
    scale.ticks.callback = (value) => (/^[125]/.test(value.toExponential()) ? (options.tick || format.short)(value) : "");
  }
  return scale;
}

function chartOptions(spec) {
  const tooltipLine = (item) => {
    const point = item.raw;
    const range = isNone(point.low) ? "" : "  [" + spec.y.format(point.low) + ", " + spec.y.format(point.high) + "]";
    return " " + (point.label || item.dataset.label) + ": " + spec.y.format(point.y) + range + (point.note ? "  " + point.note : "");
  };
  return {
    responsive: true, maintainAspectRatio: false, animation: false, normalized: true,
    interaction: spec.scatter ? {mode: "nearest", intersect: false} : {mode: "nearest", axis: "x", intersect: false},
    scales: {x: axis(spec.x, false), y: axis(spec.y, true)},
    plugins: {
      legend: {display: false},
      tooltip: {
        filter: (item, place, all) => !item.dataset.quiet &&
          all.findIndex((other) => other.datasetIndex === item.datasetIndex && !other.dataset.quiet) === place,
        backgroundColor: ink("ink"), titleColor: ink("surface"), bodyColor: ink("surface"), usePointStyle: true, boxPadding: 4, padding: 10,
        callbacks: {
          title: (items) => (items.length ? spec.x.title + " " + (spec.x.format || format.count)(items[0].parsed.x) : ""),
          label: tooltipLine,
        },
      },
    },
  };
}

// Dragging selects what to zoom to; see also the buttons of chartCard.
function enableZoom(chart, spec, onChange) {
  const canvas = chart.canvas;
  let from = null, to = null;
  const home = {x: [spec.x.min, spec.x.max], y: [spec.y.min, spec.y.max]};
  const place = (event) => {
    const box = canvas.getBoundingClientRect(), area = chart.chartArea;
    return {x: Math.min(Math.max(event.clientX - box.left, area.left), area.right),
            y: Math.min(Math.max(event.clientY - box.top, area.top), area.bottom)};
  };
  // The values that lie in the x range decide the y range, so that a zoomed curve fills the chart.
  const fitY = (low, high) => {
    const seen = [];
    chart.data.datasets.forEach((dataset, i) => {
      if (!chart.isDatasetVisible(i)) return;
      for (const point of dataset.data) if (point.x >= low && point.x <= high && Number.isFinite(point.y)) seen.push(point.y);
    });
    if (!seen.length) return [undefined, undefined];
    const least = Math.min(...seen), most = Math.max(...seen), margin = spec.y.log ? 0 : (most - least || Math.abs(most) || 1) * 0.06;
    return spec.y.log ? [least / 1.1, most * 1.1] : [least - margin, most + margin];
  };
  const show = (x, y) => {
    Object.assign(chart.options.scales.x, {min: x[0], max: x[1]});
    Object.assign(chart.options.scales.y, {min: y[0], max: y[1]});
    chart.update("none");
    onChange(x[0] !== home.x[0] || x[1] !== home.x[1]);
  };
  const zoomBy = (factor) => {
    const scale = chart.scales.x;
    const [a, b] = spec.x.log ? [Math.log(scale.min), Math.log(scale.max)] : [scale.min, scale.max];
    const middle = (a + b) / 2, half = (b - a) / 2 * factor;
    const range = spec.x.log ? [Math.exp(middle - half), Math.exp(middle + half)] : [middle - half, middle + half];
    show(range, fitY(...range));
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0) from = place(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    to = place(event);
    if (Math.abs(to.x - from.x) > 6) canvas.setPointerCapture(event.pointerId);
    chart.zoomBox = Math.abs(to.x - from.x) > 6 ? {from, to} : null;
    chart.draw();
  });
  const end = () => {
    const box = chart.zoomBox;
    from = to = chart.zoomBox = null;
    if (!box) return;
    const edges = (scale, a, b) => [scale.getValueForPixel(a), scale.getValueForPixel(b)].sort((u, v) => u - v);
    const x = edges(chart.scales.x, box.from.x, box.to.x);
    const tall = spec.scatter && Math.abs(box.to.y - box.from.y) > 12;
    show(x, tall ? edges(chart.scales.y, box.from.y, box.to.y) : fitY(...x));
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", () => { from = chart.zoomBox = null; chart.draw(); });
  const reset = () => show(home.x, home.y);
  canvas.addEventListener("dblclick", reset);
  return {reset, zoomIn: () => zoomBy(0.5), zoomOut: () => zoomBy(2)};
}

const drawZoomBox = {
  id: "zoomBox",
  afterDraw(chart) {
    if (!chart.zoomBox) return;
    const {from, to} = chart.zoomBox, area = chart.chartArea, context = chart.ctx;
    const tall = chart.spec.scatter && Math.abs(to.y - from.y) > 12;
    const top = tall ? Math.min(from.y, to.y) : area.top, height = tall ? Math.abs(to.y - from.y) : area.bottom - area.top;
    context.save();
    context.fillStyle = faded(resolve(0), 0.16);
    context.fillRect(Math.min(from.x, to.x), top, Math.abs(to.x - from.x), height);
    context.restore();
  },
};

function legendOf(holder, spec, chartOf) {
  const list = element("ul", {class: "legend"});
  spec.series.forEach((series, index) => {
    if (series.quiet) return;
    const swatch = element("span", {class: "swatch" + (series.dashed ? " dashed" : series.dots ? " dot" : "")});
    const button = element("button", {type: "button", "aria-pressed": !series.hidden}, swatch, series.name);
    swatch.style.setProperty("--c", resolve(series.colour));
    button.addEventListener("click", () => {
      series.hidden = !series.hidden;
      button.setAttribute("aria-pressed", !series.hidden);
      const chart = chartOf();
      if (!chart) return;
      chart.data.datasets.forEach((dataset, i) => { if (dataset.series === index) chart.setDatasetVisibility(i, !series.hidden); });
      chart.update("none");
    });
    list.append(element("li", {}, button));
  });
  holder.replaceChildren(list);
}

// A card with heading, chart, legend and table. spec: {title, note, x, y: {title, format, log, min, max}, series, scatter,
// columns, rows: () => [...], wide, tools: [elements]}; card.show(spec) puts another chart there.
function chartCard(spec) {
  const card = element("article", {class: "card" + (spec.wide ? " wide" : "")});
  let chart = null, visible = false;
  card.show = (next) => {
    if (chart) { chart.destroy(); allCharts.delete(card); chart = null; }
    spec = next;
    const legend = element("div");
    const plot = element("div", {class: "plot"});
    const buttons = element("div", {class: "tools"}, spec.tools || null);
    card.replaceChildren(element("div", {class: "head"}, element("h3", {}, spec.title), buttons),
      spec.note ? element("p", {class: "small muted"}, spec.note) : "");
    if (HAS_CHARTS && spec.series.some((series) => series.points.length)) {
      card.append(plot, legend);
      card.draw = () => {
        if (chart) chart.destroy();
        const canvas = element("canvas", {role: "img", "aria-label": spec.title + ". The table below holds its numbers."});
        plot.replaceChildren(canvas);
        Object.assign(Chart.defaults.font, {family: getComputedStyle(document.body).fontFamily, size: remSize() * 0.78});
        chart = new Chart(canvas, {type: spec.scatter ? "scatter" : "line", data: {datasets: spec.series.flatMap(datasetsOf)},
          options: chartOptions(spec), plugins: [drawZoomBox]});
        chart.spec = spec;
        const button = (text, label, act) =>
          element("button", {type: "button", class: "button square", title: label, "aria-label": label, onclick: act}, text);
        const reset = element("button", {type: "button", class: "button", hidden: true}, "Reset zoom");
        const zoom = enableZoom(chart, spec, (zoomed) => { reset.hidden = !zoomed; });
        reset.addEventListener("click", zoom.reset);
        buttons.replaceChildren(...(spec.tools || []), reset, button("+", "Zoom in", zoom.zoomIn), button(MINUS, "Zoom out", zoom.zoomOut));
        legendOf(legend, spec, () => chart);
      };
      allCharts.add(card);
      if (visible) card.draw();
    }
    card.append(tableDetails(spec.tableTitle || "Table", spec.columns, spec.rows, !HAS_CHARTS));
  };
  card.show(spec);
  // Drawn when first seen: a study may have a hundred charts.
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    visible = true;
    observer.disconnect();
    if (card.draw) card.draw();
  }, {rootMargin: "600px"}).observe(card);
  card.redraw = () => { if (visible && card.draw && allCharts.has(card)) card.draw(); };
  return card;
}

function redrawCharts() {
  for (const card of allCharts) card.redraw();
}
