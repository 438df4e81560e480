"use strict";
const all = (what, within) => [...(within || document).querySelectorAll(what)];
const rows = all(".row"), rules = JSON.parse(document.getElementById("rules").textContent);
const byId = new Map(rows.map((row) => [row.id, row]));
const ties = new Map(rows.map((row) => [row, []]));
for (const row of all(".target .row")) {
  for (const tie of JSON.parse(row.dataset.from || "[]")) {
    for (const field of tie.fields) {
      const source = byId.get("s" + field);
      ties.get(row).push(source); ties.get(source).push(row);
    }
  }
}
const svg = document.querySelector("main svg"), main = document.querySelector("main"), foot = document.querySelector("footer");
const idle = foot.innerHTML;
let pinned = null, shown = null;

function partners(row) { return [...new Set(ties.get(row))]; }

function draw() {
  svg.replaceChildren();
  if (!shown) return;
  const box = main.getBoundingClientRect();
  for (const other of partners(shown)) {
    if (other.hidden || other.offsetParent === null) continue;
    const isSource = shown.id[0] === "s";
    const a = (isSource ? shown : other).getBoundingClientRect(), b = (isSource ? other : shown).getBoundingClientRect();
    const clamp = (y) => Math.min(Math.max(y, box.top + 4), box.bottom - 4) - box.top;
    const x1 = a.right - box.left, y1 = clamp(a.top + a.height / 2), x2 = b.left - box.left, y2 = clamp(b.top + b.height / 2);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    const bend = (x2 - x1) * 0.55;
    path.setAttribute("d", `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`);
    svg.append(path);
  }
}

function element(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}

function tell(row) {
  if (!row) { foot.innerHTML = idle; return; }
  const lead = element("div"); lead.className = "lead";
  const others = partners(row), isSource = row.id[0] === "s";
  const names = others.map((other) => other.dataset.name);
  const what = names.length ? (isSource ? " becomes " : " comes from ") + names.join(", ")
    : isSource ? ": " + (row.querySelector(".why")?.textContent || "") : " is said by the mapping itself";
  lead.append(element("b", row.dataset.name), what);
  foot.replaceChildren(lead);
  const lines = new Set();
  for (const target of isSource ? others : [row]) {
    for (const tie of JSON.parse(target.dataset.from || "[]")) {
      if (!isSource || tie.fields.includes(Number(row.id.slice(1)))) lines.add(tie.rule);
    }
  }
  for (const line of lines) {
    const rule = element("div"); rule.className = "rule";
    rule.append(element("code", line), element("code", rules[line] || ""));
    foot.append(rule);
  }
}

function show(row) {
  for (const old of all(".row.on")) old.classList.remove("on");
  shown = row;
  if (row) for (const one of [row, ...partners(row)]) one.classList.add("on");
  tell(row); draw();
}

function pin(row) {
  if (pinned) pinned.classList.remove("pinned");
  pinned = pinned === row ? null : row;
  if (pinned) {
    pinned.classList.add("pinned");
    const first = partners(pinned)[0];
    if (first) first.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
  show(pinned);
}

for (const row of rows) {
  row.addEventListener("mouseenter", () => { if (!pinned) show(row); });
  row.addEventListener("focus", () => { if (!pinned) show(row); });
  row.addEventListener("click", () => { row.focus({ preventScroll: true }); pin(row); });
}
main.addEventListener("mouseleave", () => { if (!pinned) show(null); });
for (const section of all("section")) section.addEventListener("scroll", draw, { passive: true });
addEventListener("resize", draw);

const search = document.getElementById("search"), chips = all(".chip");
function narrow() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const states = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.state);
  const fits = (row) => words.every((word) => row.dataset.text.includes(word));
  const byState = (row) => !states.length || row.id[0] === "t" || states.includes(row.dataset.state);
  const kept = new Set(rows.filter((row) => byState(row) && (!words.length || fits(row))));
  // A partner of what was found belongs to the answer.
  if (words.length) for (const row of [...kept]) for (const other of partners(row)) if (byState(other)) kept.add(other);
  for (const row of rows) row.hidden = !kept.has(row);
  for (const card of all(".card")) card.hidden = !all(".row", card).some((row) => !row.hidden);
  draw();
}
search.addEventListener("input", narrow);
for (const chip of chips) chip.addEventListener("click", () => {
  chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") === "true" ? "false" : "true"); narrow();
});
document.getElementById("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});

addEventListener("keydown", (event) => {
  if (event.target === search) {
    if (event.key === "Escape") { search.value = ""; narrow(); search.blur(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = document.activeElement?.closest?.(".row");
  const go = (to) => { if (to) { if (pinned) pin(pinned); to.focus(); to.scrollIntoView({ block: "nearest" }); } event.preventDefault(); };
  if (event.key === "/") { search.focus(); event.preventDefault(); }
  else if (event.key === "Escape") { if (pinned) pin(pinned); else show(null); }
  else if (row && (event.key === "Enter" || event.key === " ")) { pin(row); event.preventDefault(); }
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const column = all(row ? (row.id[0] === "s" ? ".source .row" : ".target .row") : ".source .row").filter((one) => !one.hidden);
    go(column[row ? column.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1) : 0]);
  } else if (row && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
    const wants = event.key === "ArrowRight" ? "t" : "s";
    if (row.id[0] !== wants) go(partners(row).find((one) => !one.hidden));
  }
});

// `page.html#s12` opens with that row held.
const asked = byId.get(location.hash.slice(1));
const wrong = document.querySelector(".row.fault");
if (asked) { pin(asked); for (const row of [asked, ...partners(asked).slice(0, 1)]) row.scrollIntoView({ block: "center" }); draw(); }
else if (wrong) wrong.scrollIntoView({ block: "center" });
