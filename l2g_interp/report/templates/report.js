"use strict";
// Sorting, filtering, searching, zooming and saving. The page is complete without this script.
document.documentElement.classList.add("js");

const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
const byId = (id) => document.getElementById(id);
const fold = (text) => text.normalize("NFKD").toLowerCase();
const wordsOf = (text) => fold(text).split(/\s+/).filter(Boolean);

// Sorting: a button in each column header. Rows without a value come last in either direction.
function sortTable(table, column, kind, direction) {
  const value = (body) => body.rows[0].cells[column].dataset.value;
  const compare = kind === "number"
    ? (a, b) => Number(a) - Number(b)
    : (a, b) => a.localeCompare(b, undefined, { numeric: true, sensitivity: "base" });
  const sorted = Array.from(table.tBodies).sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    return a === "" || b === "" ? (a === "") - (b === "") : direction * compare(a, b);
  });
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

// Filtering: all the controls of the toolbar act together on the tables of all targets.
const filters = all("[data-filter]");
const motifs = all("table.motifs > tbody").map((node) => ({
  node,
  group: node.closest("[data-group]"),
  words: fold(node.rows[0].textContent),
}));

function filterMotifs() {
  const wanted = Object.fromEntries(filters.map((field) => [field.dataset.filter, field.value]));
  const words = wordsOf(wanted.text ?? "");
  const active = filters.some((field) => field.value !== "");
  for (const { node, group, words: known } of motifs) {
    node.hidden = !(words.every((word) => known.includes(word))
      && (!wanted.target || group.dataset.group === wanted.target)
      && (!wanted.sign || node.dataset.sign === wanted.sign)
      && (!wanted.named || node.dataset.named === wanted.named)
      && Number(node.dataset.seqlets) >= Number(wanted.seqlets || 0));
  }
  for (const group of all("[data-group]")) {
    group.hidden = active && !motifs.some((motif) => motif.group === group && !motif.node.hidden);
  }
  const shown = motifs.filter((motif) => !motif.node.hidden).length;
  byId("motif-count").textContent = active ? `${shown} of ${motifs.length} shown` : "";
  byId("clear-filters").hidden = !active;
}

function clearFilters() {
  filters.forEach((field) => { field.value = ""; });
  filterMotifs();
}

filters.forEach((field) => field.addEventListener("input", filterMotifs));
byId("clear-filters").addEventListener("click", clearFilters);

byId("unfold").addEventListener("click", ({ currentTarget: button }) => {
  const open = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(open));
  button.textContent = open ? "Close all details" : "Open all details";
  all("table.motifs details").forEach((details) => { details.open = open; });
});

// Tracks: found by id or place, zoomed about their middle.
for (const input of all("[data-find]")) {
  const items = all(".track-box", byId(input.dataset.find)).map((node) => ({
    node,
    words: fold(all(".track-id, .place", node).map((part) => part.textContent).join(" ")),
  }));
  const output = document.querySelector(`[data-found="${input.dataset.find}"]`);
  input.addEventListener("input", () => {
    const words = wordsOf(input.value);
    items.forEach(({ node, words: known }) => { node.hidden = !words.every((word) => known.includes(word)); });
    const shown = items.filter(({ node }) => !node.hidden).length;
    output.textContent = words.length ? `${shown} of ${items.length} shown` : "";
    byId(input.dataset.find).classList.toggle("searched", words.length > 0); // what is found is printed, too
  });
}

// The y axis stays at the left of the view: the middle of what is seen of a track, in pixels, lies to its right.
const half = (track) => (track.parentElement.clientWidth - track.previousElementSibling.clientWidth) / 2;

// A track that is wider than its view opens at its strongest stretch. All are measured before any is moved.
all("[data-strongest]")
  .map((view) => [view, view.querySelector(".track")])
  .filter(([view]) => view.scrollWidth > view.clientWidth)
  .map(([view, track]) => [view, Number(view.dataset.strongest) * track.clientWidth - half(track)])
  .forEach(([view, left]) => { view.scrollLeft = left; });

for (const input of all("[data-zoom]")) {
  const tracks = all(".track", byId(input.dataset.zoom));
  const widths = tracks.map((track) => Number(track.getAttribute("width")));
  const zoom = (factor) => tracks.forEach((track, i) => {
    const view = track.parentElement;
    const middle = (view.scrollLeft + half(track)) / track.clientWidth;
    track.style.width = `${Math.round(widths[i] * factor)}px`;
    track.classList.toggle("narrow", track.clientWidth < 0.9 * widths[i]); // names would overlap
    view.scrollLeft = middle * track.clientWidth - half(track);
  });
  input.addEventListener("input", () => zoom(Number(input.value)));
  document.querySelector(`[data-fit="${input.dataset.zoom}"]`).addEventListener("click", () => {
    input.value = input.min; // tracks are never narrower than the page
    zoom(Number(input.min));
  });
}

// A link must work even when its target is hidden by a filter or a search.
function reveal() {
  const target = byId(location.hash.slice(1));
  if (!target || target.checkVisibility()) return;
  for (let node = target; node; node = node.parentElement) node.hidden = false;
  target.scrollIntoView();
}
window.addEventListener("hashchange", reveal);

// From a motif to a track: its places there are highlighted, and the first of them scrolls into view.
for (const link of all("[data-mark]")) {
  link.addEventListener("click", () => {
    all(".box.marked").forEach((box) => box.classList.remove("marked"));
    const marked = all(`[id="${link.hash.slice(1)}"] .box[href="#${link.dataset.mark}"]`);
    marked.forEach((box) => box.classList.add("marked"));
    setTimeout(() => marked[0]?.scrollIntoView({ inline: "center", block: "center" }));
  });
}

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

// The visible rows as TSV, with full numbers and names.
function tableText() {
  const rows = motifs.filter((motif) => !motif.node.hidden).map(({ node, group }) => {
    const fields = all("[data-field]", node.rows[0]);
    const values = fields.map((field) => [field.dataset.field, field.dataset.value ?? field.textContent.trim()]);
    return { target: group.querySelector("h3").textContent, ...Object.fromEntries(values) };
  });
  const names = [...new Set(rows.flatMap(Object.keys))];
  const lines = [names, ...rows.map((row) => names.map((name) => row[name] ?? ""))];
  return lines.map((line) => line.map((field) => field.replace(/\s+/g, " ")).join("\t") + "\n").join("");
}

byId("save-table").addEventListener("click", () => save(tableText(), "text/tab-separated-values", "motifs.tsv"));
