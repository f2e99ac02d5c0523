// SPDX-License-Identifier: Apache-2.0
// The report's page: tables that sort and filter, curves that zoom. Without it the page shows the same, still.
"use strict";

function make(tag, parent, text) {
  const e = document.createElement(tag);
  if (text) e.textContent = text;
  parent.append(e);
  return e;
}

// ---- tables ----

function cellValue(row, column) {
  const cell = row.cells[column], text = cell.textContent;
  return "v" in cell.dataset ? +cell.dataset.v : text === "-" ? null : text;
}

// Missing values stand last, whichever the order.
function sortBy(table, head) {
  const up = head.getAttribute("aria-sort") !== "ascending", column = head.cellIndex, body = table.tBodies[0];
  for (const h of table.tHead.rows[0].cells) h.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const order = (a, b) => {
    const x = cellValue(a, column), y = cellValue(b, column);
    if (x === null || y === null) return (x === null) - (y === null);
    return (x > y ? 1 : x < y ? -1 : 0) * (up ? 1 : -1);
  };
  body.append(...[...body.rows].sort(order));
}

function addFilter(table) {
  const rows = table.tBodies[0].rows;
  if (rows.length < 4) return;
  const tools = document.createElement("div");
  tools.className = "tools";
  table.parentNode.before(tools);
  const input = make("input", tools), count = make("span", tools);
  input.type = "search";
  input.placeholder = "filter rows";
  input.setAttribute("aria-label", "filter rows");
  input.oninput = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(w => text.includes(w));
      shown += !row.hidden;
    }
    count.textContent = words.length ? shown + " of " + rows.length : "";
  };
}

for (const table of document.querySelectorAll("table:not(.matrix)")) {
  for (const head of table.tHead.rows[0].cells) head.querySelector("button").onclick = () => sortBy(table, head);
  addFilter(table);
}

// ---- curves: a plot's inner <svg> holds the paths in its own units; zooming moves its viewBox and writes the axes anew ----

function ticks(from, to) {
  const rough = (to - from) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(f => f * power >= rough), list = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-9; k++) list.push(+(k * step).toPrecision(12));
  return list;
}

function svgMake(parent, tag, attributes, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  if (text !== undefined) e.textContent = text;
  parent.append(e);
  return e;
}

function addZoom(figure) {
  const svg = figure.querySelector("svg.plot"), inner = svg.querySelector("svg"), axes = svg.querySelector(".axes"), output = figure.querySelector("output");
  const data = JSON.parse(svg.dataset.curves), whole = JSON.parse(svg.dataset.range); // [x0, x1, y0, y1]
  const box = ["x", "y", "width", "height"].map(k => +inner.getAttribute(k));
  let range = whole.slice();
  const paths = [...inner.querySelectorAll("path")];

  const left = x => box[0] + (x - range[0]) / (range[1] - range[0]) * box[2];
  const top = y => box[1] + box[3] - (y - range[2]) / (range[3] - range[2]) * box[3];

  function show(next) {
    range = next;
    const sx = box[2] / (whole[1] - whole[0]), sy = box[3] / (whole[3] - whole[2]);
    inner.setAttribute("viewBox", [(range[0] - whole[0]) * sx, (whole[3] - range[3]) * sy, (range[1] - range[0]) * sx, (range[3] - range[2]) * sy].join(" "));
    axes.replaceChildren();
    for (const x of ticks(range[0], range[1])) {
      svgMake(axes, "path", { class: "grid", d: `M${left(x)} ${box[1]}v${box[3]}` });
      svgMake(axes, "text", { x: left(x), y: box[1] + box[3] + 18, "text-anchor": "middle" }, x);
    }
    for (const y of ticks(range[2], range[3])) {
      svgMake(axes, "path", { class: "grid", d: `M${box[0]} ${top(y)}h${box[2]}` });
      svgMake(axes, "text", { x: box[0] - 6, y: top(y) + 4, "text-anchor": "end" }, y);
    }
  }

  // Zooming in x fits y to what is seen.
  function showX(x0, x1) {
    x0 = Math.max(x0, whole[0]);
    x1 = Math.min(x1, whole[1]);
    if (!(x1 - x0 > (whole[1] - whole[0]) * 1e-4)) return;
    let y0 = Infinity, y1 = -Infinity;
    data.forEach((c, i) => c.x.forEach((x, k) => {
      const y = c.y[k];
      if (x < x0 || x > x1 || y === null || paths[i].style.display === "none") return;
      y0 = Math.min(y0, y);
      y1 = Math.max(y1, y);
    }));
    if (!(y1 > y0)) [y0, y1] = [whole[2], whole[3]];
    const pad = (y1 - y0) * .04;
    show(x0 <= whole[0] && x1 >= whole[1] ? whole.slice() : [x0, x1, y0 - pad, y1 + pad]);
  }

  // As wide as asked, pushed back inside where it would hang over an end.
  const showFrom = (x0, width) => {
    x0 = Math.min(Math.max(x0, whole[0]), Math.max(whole[1] - width, whole[0]));
    showX(x0, x0 + width);
  };
  const by = factor => showFrom((range[0] + range[1] - (range[1] - range[0]) * factor) / 2, (range[1] - range[0]) * factor);
  const shift = part => showFrom(range[0] + part * (range[1] - range[0]), range[1] - range[0]);
  const tools = figure.querySelector(".tools");
  make("span", tools).className = "space";
  for (const [text, what, action] of [["\u2190", "left", () => shift(-.5)], ["\u2192", "right", () => shift(.5)], ["+", "zoom in", () => by(.5)], ["\u2212", "zoom out", () => by(2)], ["all", "show all", () => show(whole.slice())]]) {
    const b = make("button", tools, text);
    b.type = "button";
    b.title = what;
    b.setAttribute("aria-label", what);
    b.onclick = action;
  }
  for (const b of tools.querySelectorAll("[data-group]"))
    b.onclick = () => {
      const on = b.getAttribute("aria-pressed") === "false";
      b.setAttribute("aria-pressed", on);
      data.forEach((c, i) => { if (c.group === b.dataset.group) paths[i].style.display = on ? "" : "none"; });
    };

  // A mouse marks a range; fingers scroll the page and use the buttons.
  let from = null, mark = null;
  const at = e => {
    const r = svg.getBoundingClientRect();
    return (e.clientX - r.left) / r.width * svg.viewBox.baseVal.width;
  };
  const value = px => range[0] + (px - box[0]) / box[2] * (range[1] - range[0]);
  const clear = () => {
    if (mark) mark.remove();
    mark = from = null;
  };
  svg.onpointerdown = e => {
    if (e.pointerType !== "mouse" || e.button !== 0) return;
    from = at(e);
    mark = svgMake(svg, "rect", { class: "chosen", x: from, y: box[1], width: 0, height: box[3] });
    e.preventDefault();
  };
  svg.onpointermove = e => {
    const x = value(at(e));
    if (mark) {
      mark.setAttribute("x", Math.min(from, at(e)));
      mark.setAttribute("width", Math.abs(at(e) - from));
    }
    const said = data.filter((c, i) => c.x.length && paths[i].style.display !== "none").map(c => {
      const k = c.x.reduce((best, v, j) => Math.abs(v - x) < Math.abs(c.x[best] - x) ? j : best, 0);
      return c.y[k] === null ? "" : c.name + " " + (+c.y[k].toPrecision(4));
    });
    output.textContent = figure.dataset.x + " " + Math.round(x) + ": " + said.filter(Boolean).join(", ");
  };
  svg.onpointerup = e => {
    const a = from, b = at(e);
    clear();
    if (a !== null && Math.abs(b - a) > 6) showX(value(Math.min(a, b)), value(Math.max(a, b)));
  };
  svg.onpointerleave = () => {
    clear();
    output.textContent = "";
  };
  svg.ondblclick = () => show(whole.slice());
}

document.querySelectorAll("figure.zoom").forEach(addZoom);
