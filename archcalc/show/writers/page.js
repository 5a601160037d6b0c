
"use strict";
const all = (what, from = document) => [...from.querySelectorAll(what)];
const make = (name, about = {}, ...inside) => {
  const made = Object.assign(document.createElement(name), about);
  made.append(...inside);
  return made;
};

// --- values, and which of them are asked for ------------------------------------------------------------------------

// The number that a cell shows or, where that is rounded, is; else its text.
const value = cell => {
  if (cell.dataset.v !== undefined) return +cell.dataset.v;
  const text = cell.textContent;
  return text === "∞" ? Infinity : /^[\d,]*\.?\d+$/.test(text) ? +text.replaceAll(",", "") : text;
};
const known = found => typeof found === "number" || !["", "–"].includes(found);
// What is not known goes last, whichever way the others go.
const order = (a, b, sign) =>
  known(a) !== known(b)
    ? known(a)
      ? -1
      : 1
    : sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));

const UNITS = {
  "": 1,
  "%": 1,
  K: 1e3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
};
const COMPARE = { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b };

// `conv params>1M =vgg16`: words that a row holds, bounds of its columns, a text that a cell is or lists.
function asked(text, heads) {
  const terms = text
    .replace(/\s*(<=|>=|≤|≥|<|>)\s*/g, "$1")
    .split(/\s+/)
    .filter(term => term && term !== "and");
  const tests = terms.map(term => {
    const bound = /^([^<>≤≥]+)(<=|>=|≤|≥|<|>)([\d.,]+)(\D*)$/.exec(term);
    if (bound) {
      const [, name, sign, digits, unit] = bound,
        word = name.toLowerCase();
      const at = heads.findIndex(
        head => head.dataset.k.startsWith(word) || head.textContent.toLowerCase().startsWith(word),
      );
      if (at < 0 || UNITS[unit] === undefined)
        throw Error(at < 0 ? `no column is called ${name}` : `${unit} is no unit`);
      const limit = +digits.replaceAll(",", "") * UNITS[unit],
        compare = COMPARE[sign.replace("≤", "<=").replace("≥", ">=")];
      return row => {
        const found = value(row.cells[at]);
        return typeof found === "number" && compare(found, limit);
      };
    }
    if (term.startsWith("=") && term.length > 1) {
      return row => [...row.cells].some(cell => cell.textContent.split(", ").includes(term.slice(1)));
    }
    return row => row.textContent.toLowerCase().includes(term.toLowerCase());
  });
  return tests.length ? row => tests.every(test => test(row)) : null;
}

// --- what is explored: search, parts that are opened, and bubbles ---------------------------------------------------

const openings = new Map(); // by table and by row what shows it
function explore(table, heads, rows, tops, parts) {
  const opened = new Set(),
    box = table.parentElement,
    watching = [];
  const input = make("input", { type: "search", ariaLabel: "Search", placeholder: "words, or bounds: params > 1M" });
  const said = make("output");
  box.before(make("div", { className: "find" }, input, said));
  const show = () => {
    let wanted = null,
      wrong = "",
      found = 0;
    try {
      wanted = asked(input.value, heads);
    } catch (error) {
      wrong = error.message;
    }
    input.ariaInvalid = String(Boolean(wrong));
    const visit = (some, open) =>
      some.reduce((any, row) => {
        const hit = !wanted || wanted(row),
          inside = visit(parts.get(row), open && opened.has(row));
        const seen = wanted ? hit || inside : open;
        row.hidden = !seen;
        row.classList.toggle("above", Boolean(wanted) && seen && !hit);
        found += hit;
        return seen || any;
      }, false);
    visit(tops, true);
    said.value = wrong || (wanted ? `${found} of ${rows.length}` : "");
    watching.forEach(draw => draw(rows.filter(row => !row.hidden)));
    sign(box);
  };
  const named = Math.max(
    0,
    heads.findIndex(head => head.dataset.k === "name"),
  );
  for (const [row, some] of parts) {
    if (!some.length) continue;
    const button = make("button", { type: "button", textContent: "▸", ariaExpanded: "false", ariaLabel: "parts" });
    const turn = open => {
      open ? opened.add(row) : opened.delete(row);
      button.ariaExpanded = String(open);
      button.textContent = open ? "▾" : "▸";
    };
    button.addEventListener("click", () => {
      turn(!opened.has(row));
      show();
    });
    row.cells[named].prepend(button);
    openings.set(row, () => turn(true));
  }
  input.addEventListener("input", show);
  openings.set(table, words => {
    input.value = words;
    show();
  });
  const way = (some, row) =>
    some.flatMap(top =>
      top === row ? [row] : (found => (found.length ? [top, ...found] : []))(way(parts.get(top), row)),
    );
  for (const row of rows) {
    if (!row.id) continue;
    const own = openings.get(row);
    openings.set(row, () => {
      input.value = "";
      way(tops, row)
        .slice(0, -1)
        .forEach(up => openings.get(up)());
      own?.();
      show();
    });
  }
  if (table.dataset.explored) watching.push(bubbles(table, heads));
  show();
}

// --- bubbles --------------------------------------------------------------------------------------------------------

const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800"],
  OTHER = "#8a8f94";
const svg = (name, about, text = "") => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(about).forEach(([key, said]) => made.setAttribute(key, said));
  made.textContent = text;
  return made;
};
function short(number, bytes) {
  if (bytes) {
    const power = Math.max(0, Math.min(5, Math.floor(Math.log2(Math.max(1, number)) / 10)));
    return `${+(number / 1024 ** power).toPrecision(3)} ${["B", "KiB", "MiB", "GiB", "TiB", "PiB"][power]}`;
  }
  const power = Math.abs(number) < 1e4 ? 0 : Math.min(5, Math.floor(Math.log10(Math.abs(number)) / 3));
  return `${+(number / 1e3 ** power).toPrecision(power ? 3 : 4)}${["", " K", " M", " G", " T", " P"][power]}`;
}
function ticks(low, high, log) {
  const found = [];
  if (log) {
    const wide = Math.log10(high / low);
    for (
      let power = Math.floor(Math.log10(low));
      power <= Math.ceil(Math.log10(high));
      power += Math.ceil(wide / 8)
    ) {
      for (const digit of wide < 2.5 ? [1, 2, 5] : [1]) found.push(digit * 10 ** power);
    }
  } else {
    const rough = (high - low) / 6 || 1,
      power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(digit => digit * power).find(step => step >= rough);
    for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(at * step);
  }
  return found.filter(at => at >= low && at <= high);
}

// Draws rows as bubbles above their table: the axes, the area and the colour are chosen among its columns.
function bubbles(table, heads) {
  const box = table.parentElement,
    rows = [...table.tBodies[0].rows];
  const numeric = heads.filter(head => !head.className);
  const named = heads.filter(head => head.className).slice(1);
  const first = table.dataset.explored.split(" "),
    place = svg("svg", { role: "img" });
  const said = make("output"),
    key = make("p", { className: "key dim" });
  const tools = make("div", { className: "tools" });
  const choices = ["across", "up", "area", "colour"].map((what, at) => {
    const options = (at < 3 ? numeric : named).map(head =>
      make("option", {
        value: head.dataset.k,
        textContent: head.textContent,
        selected: head.dataset.k === first[at],
      }),
    );
    const none = at > 1 ? [make("option", { value: "-", textContent: "–", selected: first[at] === "-" })] : [];
    const select = make("select", { ariaLabel: what }, ...none, ...options);
    tools.append(make("label", {}, `${what} `, select));
    return select;
  });
  box.previousElementSibling.before(make("figure", { className: "plot" }, tools, make("div", {}, place), key, said));
  let shown = rows;
  const draw = () => {
    const [x, y, area, colour] = choices.map(select => heads.findIndex(head => head.dataset.k === select.value));
    const at = (row, column) => value(row.cells[column]);
    const points = shown.filter(row => [x, y].every(column => Number.isFinite(at(row, column))));
    const wide = Math.max(300, place.parentElement.clientWidth),
      high = Math.min(560, Math.max(300, wide * 0.55));
    const left = 64,
      right = wide - 16,
      top = 12,
      bottom = high - 44;
    place.replaceChildren();
    place.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    place.style.width = `${wide}px`;
    const without = shown.length - points.length;
    said.value = without
      ? `${points.length} drawn; ${without} without one of the two figures`
      : `${points.length} drawn`;
    if (!points.length) return;
    const scale = (column, from, to) => {
      const found = points.map(row => at(row, column)),
        low = Math.min(...found),
        most = Math.max(...found);
      const log = low > 0 && most / low > 20,
        room = log ? (most / low) ** 0.04 : (most - low) * 0.05 || Math.abs(most) * 0.05 || 1;
      const [start, end] = log ? [low / room, most * room] : [low - room, most + room],
        bend = log ? Math.log : number => number;
      const put = number => from + ((to - from) * (bend(number) - bend(start))) / (bend(end) - bend(start));
      return { put, log, ticks: ticks(start, end, log) };
    };
    const across = scale(x, left, right),
      up = scale(y, bottom, top),
      name = column => heads[column].dataset.k;
    const bytes = column => name(column).endsWith("_bytes");
    const title = (column, log) =>
      (bytes(column)
        ? heads[column].textContent.replace(/ \(\w+\)$/, "")
        : heads[column].textContent.replace(/ \([KMGTP]\)$/, "")) + (log ? " (log)" : "");
    for (const tick of across.ticks) {
      const px = across.put(tick);
      place.append(
        svg("line", { x1: px, x2: px, y1: top, y2: bottom }),
        svg("text", { x: px, y: bottom + 16, "text-anchor": "middle", class: "tick" }, short(tick, bytes(x))),
      );
    }
    for (const tick of up.ticks) {
      const py = up.put(tick);
      place.append(
        svg("line", { x1: left, x2: right, y1: py, y2: py }),
        svg("text", { x: left - 6, y: py + 4, "text-anchor": "end", class: "tick" }, short(tick, bytes(y))),
      );
    }
    place.append(svg("text", { x: right, y: high - 8, "text-anchor": "end" }, title(x, across.log)));
    place.append(
      svg("text", { transform: `translate(12 ${top}) rotate(-90)`, "text-anchor": "end" }, title(y, up.log)),
    );
    const most = area < 0 ? 0 : Math.max(...points.map(row => +at(row, area) || 0));
    const radius = row =>
      most ? Math.max(2.5, Math.min(22, wide / 36) * Math.sqrt((+at(row, area) || 0) / most)) : 5;
    const groups = {};
    if (colour >= 0)
      points.forEach(row => {
        groups[at(row, colour)] = (groups[at(row, colour)] ?? 0) + 1;
      });
    const largest = Object.keys(groups)
      .filter(known)
      .sort((a, b) => groups[b] - groups[a])
      .slice(0, COLOURS.length);
    const fill = row => (colour < 0 ? COLOURS[0] : (COLOURS[largest.indexOf(String(at(row, colour)))] ?? OTHER));
    const ordered = [...points].sort((a, b) => radius(b) - radius(a));
    const spots = ordered.map(row => ({ px: across.put(at(row, x)), py: up.put(at(row, y)), r: radius(row) }));
    const taken = spots.map(({ px, py, r }) => ({ x: px - r, y: py - r, w: 2 * r, h: 2 * r }));
    for (const [n, row] of ordered.entries()) {
      const { px, py, r } = spots[n],
        label = row.cells[0].textContent;
      const about = [x, y, area]
        .filter(column => column >= 0)
        .map(column => `${name(column)} ${short(at(row, column), bytes(column))}`);
      const circle = svg("circle", { cx: px, cy: py, r, fill: fill(row) });
      circle.append(svg("title", {}, [label, ...about].join(" · ")));
      circle.addEventListener("mouseenter", () => {
        said.value = [label, ...about].join(" · ");
      });
      circle.addEventListener("click", () => reach(row));
      place.append(circle);
      const w = label.length * 6.4,
        middle = Math.max(left, Math.min(right - w, px - w / 2));
      const apart = (one, other) =>
        one.x > other.x + other.w || other.x > one.x + one.w || one.y > other.y + other.h || other.y > one.y + one.h;
      const spot = [
        [px + r + 2, py - 6],
        [px - r - 2 - w, py - 6],
        [middle, py - r - 13],
        [middle, py + r + 1],
      ]
        .map(([x, y]) => ({ x, y, w, h: 12 }))
        .find(one => one.x >= left && one.x + w <= right && one.y >= 0 && taken.every(other => apart(one, other)));
      if (!spot) continue;
      taken.push(spot);
      place.append(svg("text", { x: spot.x, y: spot.y + 10, "pointer-events": "none" }, label));
    }
    key.replaceChildren(
      ...largest.flatMap((group, n) => {
        const dot = make("span", { textContent: "●" });
        dot.style.color = COLOURS[n];
        return [dot, ` ${group}  `];
      }),
    );
  };
  choices.forEach(select => select.addEventListener("change", draw));
  new ResizeObserver(draw).observe(place.parentElement);
  return some => {
    shown = some;
    draw();
  };
}

// Puts the lines that stand in others behind these: `rows` are depths and cells, each once, `of` which follow a line.
function unfold(table, heads, tops) {
  const { rows, of, ids } = JSON.parse(table.dataset.parts ?? '{"rows": [], "of": [], "ids": {}}');
  let at = 0;
  of.forEach((some, top) => {
    const made = some.map(number => {
      const [depth, ...cells] = rows[number],
        row = make("tr", { id: ids[at++] ?? "" });
      row.dataset.d = depth;
      cells.forEach((cell, n) => {
        const [text, exact] = [cell].flat(),
          shown = make("td", { className: heads[n].className, textContent: text });
        if (exact !== undefined) shown.dataset.v = exact;
        row.append(shown);
      });
      return row;
    });
    tops[top].after(...made);
  });
}

// --- tables: a click on a heading sorts, a second click turns it round ----------------------------------------------

for (const table of all("table")) {
  const heads = [...table.tHead.rows[0].cells],
    body = table.tBodies[0],
    parts = new Map(),
    tops = [],
    above = [];
  unfold(table, heads, [...body.rows]);
  const last = [...body.rows].filter(row => row.className),
    rows = [...body.rows].filter(row => !row.className);
  for (const row of rows) {
    const depth = +(row.dataset.d ?? 0);
    ((depth && parts.get(above[depth - 1])) || tops).push(row);
    parts.set(row, []);
    above.splice(depth, above.length, row);
  }
  const sorted = (some, at, sign) =>
    [...some]
      .sort((a, b) => order(value(a.cells[at]), value(b.cells[at]), sign))
      .flatMap(row => [row, ...sorted(parts.get(row), at, sign)]);
  heads.forEach((head, at) => {
    const sort = () => {
      const rising = head.ariaSort === "descending" || (head.ariaSort !== "ascending" && head.className !== "");
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.ariaSort = rising ? "ascending" : "descending";
      body.append(...sorted(tops, at, rising ? 1 : -1), ...last);
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => {
      if (event.key === "Enter") sort();
    });
  });
  if (table.dataset.explored !== undefined) explore(table, heads, rows, tops, parts);
}

// --- links into tables, large pictures, what is wider than the page -------------------------------------------------

function reach(...rows) {
  all(".hit").forEach(other => other.classList.remove("hit"));
  rows.forEach(row => {
    openings.get(row)?.();
    row.classList.add("hit");
  });
  rows[0].scrollIntoView({ block: "center" });
}
// What somebody typed behind the address may be no text at all.
function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
// `#table?words` asks a table, `#row` opens what a row stands in.
function go() {
  const [name, words] = plain(location.hash.slice(1)).split("?"),
    target = document.getElementById(name);
  if (!target) return;
  if (target.tagName === "TR") reach(target);
  else if (words !== undefined && openings.has(target)) {
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    openings.get(target)(words);
    target.parentElement.previousElementSibling.scrollIntoView();
  }
}

for (const figure of all("figure.large")) {
  const box = figure.querySelector("div"),
    drawn = box.querySelector("svg");
  const zoom = times => {
    const wide = drawn.getBoundingClientRect().width,
      whole = !times;
    drawn.classList.toggle("near", !whole);
    drawn.style.setProperty(
      "width",
      whole ? drawn.dataset.width : `${Math.min(12000, Math.max(100, wide * times))}px`,
      "important",
    );
    sign(box);
  };
  drawn.dataset.width = drawn.style.width;
  const tools = [
    ["+", "zoom in", 1.4],
    ["−", "zoom out", 1 / 1.4],
    ["⤢", "whole", 0],
  ].map(([textContent, ariaLabel, times]) => {
    const button = make("button", { type: "button", textContent, ariaLabel });
    button.addEventListener("click", () => zoom(times));
    return button;
  });
  figure.prepend(make("div", { className: "tools" }, ...tools));
  box.addEventListener(
    "wheel",
    event => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    },
    { passive: false },
  );
  box.addEventListener("pointermove", event => {
    if (event.buttons === 1 && event.pointerType === "mouse") box.scrollBy(-event.movementX, -event.movementY);
  });
}

for (const figure of all("[data-links]")) {
  for (const [name, rows] of Object.entries(JSON.parse(figure.dataset.links))) {
    const show = () => reach(...rows.map(row => document.getElementById(row)));
    for (const part of all(`[id="${name}"], [id^="${name}-t"]`, figure)) {
      part.classList.add("link");
      part.addEventListener("click", show);
    }
    const block = document.getElementById(name);
    block.setAttribute("tabindex", "0");
    block.setAttribute("role", "button");
    block.addEventListener("keydown", event => {
      if (event.key === "Enter") show();
    });
  }
}

// A sign that there is more to the right.
function sign(box) {
  box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
}
for (const box of all(".wide, figure > div:not(.tools)")) {
  box.addEventListener("scroll", () => sign(box));
  new ResizeObserver(() => sign(box)).observe(box);
}
addEventListener("beforeprint", () =>
  all("details").forEach(part => {
    part.open = true;
  }),
);
addEventListener("hashchange", go);
go();
