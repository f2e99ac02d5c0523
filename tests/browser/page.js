// SPDX-License-Identifier: Apache-2.0
// Runs inside the report's page (tests/browser/main.py appends it): uses it as a person would and leaves what failed in <pre id=said>.
(() => {
  const said = [];
  const check = (what, ok) => said.push((ok ? "ok " : "FAIL ") + what);
  const column = (table, k) => [...table.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[k].textContent);
  const numbers = (table, k) => [...table.tBodies[0].rows].map(r => +r.cells[k].dataset.v).filter(x => !isNaN(x));
  const rising = list => list.every((x, i) => i === 0 || list[i - 1] <= x);

  try {
    check("no wider than the window: " + document.documentElement.scrollWidth + " in " + innerWidth, document.documentElement.scrollWidth <= innerWidth);
    check("background " + getComputedStyle(document.body).backgroundColor + " in " + (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"), true);
    check("every picture is drawn", [...document.images].every(i => i.complete && i.naturalWidth > 0));

    const tables = [...document.querySelectorAll("table")], table = tables[tables.length - 1]; // every run
    const head = k => table.tHead.rows[0].cells[k].querySelector("button");
    const before = numbers(table, 3);
    check("two rows at least", table.tBodies[0].rows.length > 1);
    head(3).click();
    check("sorted upwards", rising(numbers(table, 3)) && table.tHead.rows[0].cells[3].getAttribute("aria-sort") === "ascending");
    head(3).click();
    check("sorted downwards", rising(numbers(table, 3).reverse()) && table.tHead.rows[0].cells[3].getAttribute("aria-sort") === "descending");
    check("nothing is lost", before.length > 1 && numbers(table, 3).sort().join() === before.sort().join());
    head(0).click();
    check("sorted by text, one mark", rising(column(table, 0)) && table.querySelectorAll("[aria-sort]").length === 1);

    const input = table.parentNode.previousElementSibling.querySelector("input"), rows = table.tBodies[0].rows.length;
    const word = table.tBodies[0].rows[0].cells[0].textContent;
    const type = text => {
      input.value = text;
      input.dispatchEvent(new Event("input"));
    };
    type(word.toUpperCase());
    const kept = column(table, 0);
    check("filter keeps what holds the word", kept.length > 0 && kept.length < rows && kept.every(t => t.includes(word)));
    type("no such row");
    check("filter of nothing", column(table, 0).length === 0);
    type("");
    check("filter off", column(table, 0).length === rows);

    for (const figure of document.querySelectorAll("figure.zoom")) {
      const svg = figure.querySelector("svg.plot"), inner = svg.querySelector("svg"), title = figure.parentNode.querySelector("h2").textContent;
      const button = name => figure.querySelector(`[aria-label="${name}"]`);
      const view = () => inner.getAttribute("viewBox").split(" ").map(Number);
      const labels = () => [...svg.querySelectorAll(".axes text[text-anchor=middle]")].map(t => +t.textContent);
      const whole = view(), all = labels();
      check(title + ": ticks in order", all.length > 2 && rising(all));
      button("zoom in").click();
      check(title + ": zoomed in", Math.abs(view()[2] - whole[2] / 2) < 1e-6 && labels()[0] > all[0]);
      button("left").click();
      check(title + ": moved left", Math.abs(view()[0]) < 1e-6 && Math.abs(view()[2] - whole[2] / 2) < 1e-6);
      button("zoom out").click();
      check(title + ": zoomed out", Math.abs(view()[2] - whole[2]) < 1e-6);
      const box = svg.getBoundingClientRect();
      const mouse = (type, part) => svg.dispatchEvent(new PointerEvent(type, { pointerType: "mouse", button: 0, clientX: box.left + part * box.width, clientY: box.top + box.height / 2, bubbles: true }));
      mouse("pointermove", 0.5);
      check(title + ": values under the mouse", /^step \d+: \S/.test(figure.querySelector("output").textContent));
      mouse("pointerdown", 0.4);
      mouse("pointermove", 0.6);
      check(title + ": range is shown", svg.querySelector(".chosen") !== null);
      mouse("pointerup", 0.6);
      // 0.2 of the whole figure (640 units), of which the plot is 574.
      check(title + ": zoomed to the range", Math.abs(view()[2] / whole[2] - 0.2 * 640 / 574) < 0.01 && svg.querySelector(".chosen") === null);
      button("show all").click();
      check(title + ": all again", view().every((x, i) => Math.abs(x - whole[i]) < 1e-6) && labels().join() === all.join());
      const legend = figure.querySelector("[data-group]"), hidden = () => [...inner.querySelectorAll("path")].filter(p => p.style.display === "none").length;
      legend.click();
      check(title + ": group hidden", hidden() > 0 && legend.getAttribute("aria-pressed") === "false");
      legend.click();
      check(title + ": group shown", hidden() === 0);
    }
    for (const matrix of document.querySelectorAll("table.matrix")) {
      const rows = [...matrix.tBodies[0].rows], shares = rows.map(r => [...r.cells].slice(1).map(c => parseFloat(c.style.getPropertyValue("--share"))));
      check("matrix: square, named", rows.every(r => r.cells.length === rows.length + 1 && r.cells[0].textContent) && matrix.tHead.rows[0].cells.length === rows.length + 1);
      check("matrix: shares of a row", shares.every(r => Math.abs(r.reduce((a, b) => a + b, 0) - 100) <= r.length || r.every(x => x === 0)));
      const right = getComputedStyle(rows[0].cells[1]).backgroundColor, other = getComputedStyle(rows[0].cells[2]).backgroundColor;
      check("matrix: colours " + right + " " + other, right !== "" && (shares[0][0] === 0 || right !== "rgba(0, 0, 0, 0)"));
    }
    check("curves", document.querySelectorAll("figure.zoom").length > 0);
  } catch (e) {
    said.push("FAIL exception " + e);
  }
  const pre = document.createElement("pre");
  pre.id = "said";
  pre.textContent = said.join("\n");
  document.body.append(pre);
})();
