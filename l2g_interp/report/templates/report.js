"use strict";
// Sorting, filtering, searching, zooming and saving. The page is complete without: this only rearranges it.
document.documentElement.classList.add("js");

const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
const fold = (text) => text.normalize("NFKD").toLowerCase();

function sortTable(table, column, kind, direction) {
  const value = (body) => body.rows[0].cells[column].dataset.value;
  const compare = kind === "number"
    ? (a, b) => Number(value(a)) - Number(value(b))
    : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true, sensitivity: "base" });
  const sorted = Array.from(table.tBodies).sort((a, b) => direction * compare(a, b));
  table.append(...sorted);
}

for (const table of all("table.motifs")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const kind = head.dataset.sort;
    if (!kind) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortTable(table, column, kind, ascending ? 1 : -1);
    });
  });
}

function filterItems(items, text, output) {
  const words = fold(text).split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { node, words: known } of items) {
    node.hidden = !words.every((word) => known.includes(word));
    shown += node.hidden ? 0 : 1;
  }
  output.textContent = words.length ? `${shown} of ${items.length} shown` : "";
}

for (const input of all("[data-filter]")) {
  const table = document.getElementById(input.dataset.filter);
  const items = Array.from(table.tBodies, (node) => ({ node, words: fold(node.rows[0].textContent) }));
  const output = document.querySelector(`[data-count="${input.dataset.filter}"]`);
  input.addEventListener("input", () => filterItems(items, input.value, output));
}

for (const input of all("[data-find]")) {
  const section = document.getElementById(input.dataset.find);
  const items = all(".track-box", section).map((node) => ({
    node,
    words: fold(all(".track-id, .place", node).map((part) => part.textContent).join(" ")),
  }));
  const output = document.querySelector(`[data-found="${input.dataset.find}"]`);
  input.addEventListener("input", () => filterItems(items, input.value, output));
}

for (const button of all("[data-unfold]")) {
  const table = document.getElementById(button.dataset.unfold);
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    button.textContent = open ? "Close all details" : "Open all details";
    all("details", table).forEach((details) => { details.open = open; });
  });
}

for (const input of all("[data-zoom]")) {
  const tracks = all(".track", document.getElementById(input.dataset.zoom));
  const widths = tracks.map((track) => Number(track.getAttribute("width")));
  input.addEventListener("input", () => {
    const zoom = Number(input.value);
    tracks.forEach((track, i) => {
      track.style.width = `${Math.round(widths[i] * zoom)}px`;
    });
  });
}

// A link to a motif must lead somewhere even when the filter hides it.
function reveal() {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.hidden) {
    target.hidden = false;
    target.scrollIntoView();
  }
}
window.addEventListener("hashchange", reveal);

function save(text, type, name) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}

for (const figure of all("figure.saves")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "save";
  button.textContent = "Save SVG";
  button.addEventListener("click", () => save(figure.querySelector("svg").outerHTML, "image/svg+xml", "logo.svg"));
  figure.querySelector("figcaption").append(" ", button);
}

function tableText(table) {
  const lines = [["name", "pattern", "sign", "consensus", "seqlets", "contribution", "q_value", "closest_known_motif"]];
  for (const body of table.tBodies) {
    const cells = body.rows[0].cells;
    const part = (selector) => (body.rows[0].querySelector(selector)?.textContent ?? "").trim();
    const numbers = [3, 4, 5].map((column) => cells[column].dataset.value);
    const { number, sign } = cells[0].dataset;
    lines.push([part(".motif-name"), number, sign, part(".consensus"), ...numbers, part(".match-name")]);
  }
  return lines.map((line) => line.map((field) => field.replace(/\s+/g, " ")).join("\t") + "\n").join("");
}

for (const button of all("[data-save]")) {
  const table = document.getElementById(button.dataset.save);
  button.addEventListener("click", () => save(tableText(table), "text/tab-separated-values", "motifs.tsv"));
}
