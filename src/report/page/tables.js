"use strict";
// Elements, numbers as text, and tables. Text from the data enters the page by textContent alone, never as HTML.

// element("p", {class: "muted"}, "text", child, ...)
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [property, setting] of Object.entries(value)) made.style.setProperty(property, setting);
    else if (value === true && !key.startsWith("aria-")) made.setAttribute(key, "");
    else if (key.startsWith("aria-")) made.setAttribute(key, String(value));
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child instanceof Node ? child : String(child));
  }
  return made;
}

const NONE = "\u2013";
const MINUS = "\u2212";
// With the typographic minus, and none before what rounds to zero.
const signed = (text) => text.replace(/^-(?=[0.]*$)/, "").replace("-", MINUS);
const grouped = (value, digits) => signed(value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits}));

// At most so many digits behind the point, and none that are zeros: for axes.
const brief = (value, digits) => signed(value.toLocaleString("en", {maximumFractionDigits: digits}));

const format = {
  text: (value) => String(value),
  count: (value) => grouped(Math.round(value), 0),
  // As many digits as a return can carry.
  number: (value) => {
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-5 || size >= 1e9)) return value.toExponential(1).replaceAll("-", MINUS);
    if (size !== 0 && size < 1e-3) return brief(value, 5);
    return grouped(value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3);
  },
  share: (value) => grouped(100 * value, 1) + "\u202f%",
  short: (value) => {
    for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
      if (Math.abs(value) >= size) return brief(value / size, Math.abs(value / size) >= 100 ? 0 : 1) + "\u202f" + unit;
    }
    return brief(value, 3);
  },
  bytes: (value) => {
    if (value >= 1e6) return grouped(value / 1e6, 2) + " MB";
    return value >= 1e3 ? grouped(value / 1e3, 1) + " kB" : grouped(value, 0) + " B";
  },
  duration: (seconds) => {
    const minutes = Math.round(seconds / 60);
    if (seconds < 120) return Math.round(seconds) + " s";
    if (minutes < 120) return minutes + " min";
    return Math.floor(minutes / 60) + " h " + String(minutes % 60).padStart(2, "0") + " min";
  },
};

const isNone = (value) => value === null || value === undefined;

// One cell: a number with its exact value beside it, a text, an element, or an estimate {point, low, high}.
function cell(value, column) {
  const kind = column.kind || "text";
  if (value instanceof Node) return element("td", {class: column.left ? "text" : null}, value);
  if (isNone(value)) return element("td", {class: kind === "text" ? "text" : null}, NONE);
  if (kind === "text") return element("td", {class: "text"}, value);
  if (typeof value === "object") {
    const interval = isNone(value.low) ? null
      : element("span", {class: "interval"}, "[" + format[kind](value.low) + ", " + format[kind](value.high) + "]");
    return element("td", {"data-value": value.point, "data-low": value.low, "data-high": value.high, title: value.point},
      format[kind](value.point), interval);
  }
  return element("td", {"data-value": value, title: value}, format[kind](value));
}

// columns: [{title, kind, unit, help}]; rows: arrays of values; the first column heads its row.
function table(columns, rows, options = {}) {
  const head = element("tr", {}, columns.map((column) =>
    element("th", {scope: "col", class: !column.kind || column.kind === "text" || column.left ? "text" : null, title: column.help},
      column.title)));
  const body = rows.map((row) => element("tr", {}, row.map((value, i) => {
    if (i > 0) return cell(value, columns[i]);
    const made = element("th", {scope: "row"});
    made.append(value instanceof Node ? value : isNone(value) ? NONE : format[columns[0].kind || "text"](value));
    if (typeof value === "number") made.setAttribute("data-value", value);
    return made;
  })));
  return element("div", {class: "scroll" + (options.free ? " free" : ""), tabindex: 0, role: "region", "aria-label": options.label || "Table"},
    element("table", {class: options.class, id: options.id}, element("thead", {}, head), element("tbody", {}, body)));
}

// The same rows as a file, numbers unrounded.
function toCsv(columns, rows) {
  const plain = (value) => {
    if (value instanceof Node) return value.textContent;
    if (isNone(value)) return "";
    return typeof value === "object" ? value.point : value;
  };
  const quoted = (value) => /[",\n]/.test(String(value)) ? '"' + String(value).replaceAll('"', '""') + '"' : String(value);
  return [columns.map((column) => column.title), ...rows].map((row) => row.map((value) => quoted(plain(value))).join(",")).join("\n") + "\n";
}

// A table behind a line to click; made when it is first opened, for pages may hold thousands of rows.
function tableDetails(label, columns, makeRows, open = false) {
  const details = element("details", {open}, element("summary", {}, label));
  const fill = () => {
    if (!details.open || details.dataset.filled) return;
    details.dataset.filled = "yes";
    const rows = makeRows();
    details.append(table(columns, rows, {label}), element("p", {class: "small"},
      element("button", {class: "button", type: "button", onclick: () => download(label + ".csv", toCsv(columns, rows))}, "Save as CSV")));
  };
  details.addEventListener("toggle", fill);
  fill();
  return details;
}

function download(name, text) {
  const link = element("a", {download: name.replace(/[^\w.-]+/g, "_"), href: "data:text/csv;charset=utf-8," + encodeURIComponent(text)});
  document.body.append(link);
  link.click();
  link.remove();
}

function copyButton(text) {
  const button = element("button", {class: "button", type: "button"}, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {  // pages opened as files may not write to the clipboard in every browser
      button.textContent = "Select it and copy";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return button;
}
