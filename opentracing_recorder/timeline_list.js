// The list: the tree of traces and spans. Only the rows in sight are elements.
const [list, ruler, ticks, rows, nothing] = ["list", "ruler", "ticks", "rows", "nothing"].map(find);
const OVERSCAN = 8; // rows beyond what is in sight
const DEEPEST = 24; // steps of indentation; deeper spans have their depth as a number
const SERVICES_SHOWN = 4; // in the row of a trace

const ORDERS = {
  time: () => 0, // as they came: by start
  duration: (a, b) => b.length - a.length,
  errors: (a, b) => b.errors - a.errors || b.length - a.length,
};
let order = [...traces];
let shown = []; // the items in the list, from the top
let tops = []; // where each of them starts, and where the last ends, in pixels
let drawn = ""; // which of them are elements
let selected = items[0] || null;
let filter = null; // of the search; null if every span is wanted
let longest = 0; // seconds of the longest trace in the list

const isOverview = (trace) => traces.length > 1 && !trace.item.open;
const viewOf = (trace) => (isOverview(trace) ? [0, longest] : trace.view);

const inOrder = (by) => [...traces].sort((a, b) => ORDERS[by](a, b) || a.number - b.number);

// Draw the list anew, after what is in it has changed; with an item, scroll to it.
function arrange(item = null) {
  layOut();
  if (item) bring(item);
  redraw();
}

function layOut() {
  const style = getComputedStyle(document.documentElement);
  const [row, top] = ["--row", "--top"].map((name) => parseFloat(style.getPropertyValue(name)));
  shown = [];
  tops = [0];
  longest = 0;
  let height = 0;
  for (const trace of order) {
    const { end } = trace.item;
    for (let { index } = trace.item; index < end; ) {
      const item = items[index];
      if (filter && !item.kept) {
        index = item.end;
        continue;
      }
      height += item.span ? row : top;
      tops.push(height);
      shown.push(item);
      index = item.open ? index + 1 : item.end;
    }
    if (trace.length > longest && !(filter && !trace.item.kept)) longest = trace.length;
  }
  rows.style.height = `${height}px`;
  nothing.hidden = shown.length > 0 || !items.length;
}

function rowAt(pixels) {
  let [low, high] = [0, shown.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tops[middle + 1] <= pixels) low = middle + 1;
    else high = middle;
  }
  return low;
}

function draw() {
  const from = Math.max(rowAt(list.scrollTop) - OVERSCAN, 0);
  const to = rowAt(list.scrollTop + list.clientHeight) + OVERSCAN;
  if (drawn === `${from} ${to}`) return;
  drawn = `${from} ${to}`;
  const width = ticks.clientWidth;
  const made = shown.slice(from, to).map((item, index) => {
    const row = item.span ? spanRow(item, width) : traceRow(item, width);
    row.style.top = `${tops[from + index]}px`;
    return row;
  });
  rows.replaceChildren(...made);
  if (selected) {
    drawRuler(selected.trace, width);
    list.setAttribute("aria-activedescendant", `item-${selected.index}`);
  }
}

function redraw() {
  drawn = "";
  draw();
  drawMap();
}

function drawRuler(trace, width) {
  const view = viewOf(trace);
  const zoomed = isOverview(trace) || isWhole(trace) ? []
    : [element("code", view.map(duration).join(" to "))];
  ruler.firstElementChild.replaceChildren(
    isOverview(trace) ? "durations" : cut(trace.name, LONGEST_NAME), ...zoomed);
  const made = ticksOf(view, width).ticks.map(([time, text]) => {
    const tick = element("span", text);
    tick.style.left = `${100 * place(time, view)}%`;
    return tick;
  });
  // At an end there is no room for the whole of a text in the middle of its mark.
  for (const [tick, at] of made.map((each) => [each, parseFloat(each.style.left)])) {
    if ((at * width) / 100 < 24) tick.className = "first";
    else if (((100 - at) * width) / 100 < 30) tick.className = "last";
  }
  ticks.replaceChildren(...made);
}

function rowOf(item, kind, parts, label) {
  const row = element("div", parts, { className: `row ${kind}`, id: `item-${item.index}` });
  const facts = { role: "treeitem", "aria-level": item.depth + 1,
    "aria-setsize": item.parent ? item.parent.children : traces.length,
    "aria-posinset": item.parent ? item.place : item.trace.number + 1,
    "aria-selected": item === selected, "aria-label": label };
  if (item.children) facts["aria-expanded"] = item.open;
  for (const [name, value] of Object.entries(facts)) row.setAttribute(name, value);
  row.item = item;
  return row;
}

const foldOf = (item) =>
  element("span", item.children ? (item.open ? "▼" : "▶") : "", { className: "fold" });

function axisOf(view, width, parts) {
  const axis = element("div", parts, { className: "axis" });
  const { step, ticks: marks } = ticksOf(view, width);
  if (step) {
    const pixels = width / (view[1] - view[0]);
    axis.style.setProperty("--grid", `${step * pixels}px`);
    axis.style.setProperty("--first", `${(marks.length ? marks[0][0] - view[0] : 0) * pixels}px`);
  }
  return axis;
}

function traceRow(item, width) {
  const { trace } = item;
  const named = trace.services.slice(0, SERVICES_SHOWN)
    .map((each) => cut(services[each], LONGEST_NAME));
  const others = trace.services.length - named.length;
  const parts = [trace.when, counted(trace.size, "span"),
    [...named, ...(others > 0 ? [`+${others}`] : [])].join(", ")].filter(Boolean);
  const bad = trace.errors
    ? element("strong", `✗ ${counted(trace.errors, "error")}`) : null;
  const found = filter && item.matches
    ? element("span", counted(item.matches, "match"), { className: "more" }) : null;
  const name = element("h2", [element("span", cut(trace.name, LONGEST_NAME)), found,
    element("code", cut(trace.id, 40))]);
  const text = element("div", [name, element("p", [bad, bad && " · ", parts.join(" · ")])]);
  const label = `trace ${trace.name}, ${duration(trace.length)}, ${parts.join(", ")}, ${
    counted(trace.errors, "error")}`;
  const heading = element("div", [foldOf(item), text], { className: "head" });
  if (traces.length === 1) return rowOf(item, "top alone", [heading], cut(label, LONGEST_NAME));
  const axis = axisOf(viewOf(trace), width, isOverview(trace) ? barsOfTrace(trace) : []);
  const time = element("div", duration(trace.length), { className: "taken" });
  const kind = `top${trace.errors ? " error" : ""}`;
  return rowOf(item, kind, [heading, axis, time], cut(label, LONGEST_NAME));
}

// A trace's bar is as long as its duration, and has the colours of its critical path's services.
function barsOfTrace(trace) {
  const whole = 100 * place(trace.length, [0, longest]);
  const bar = element("div", [], { className: "whole" });
  bar.style.width = `${whole}%`;
  bar.trace = trace;
  for (const { span, critical } of shares(trace, (each) => each.service)) {
    const part = colored(element("i"), span.service);
    part.style.flexGrow = trace.length > 0 ? (1000 * critical) / trace.length : 1;
    if (critical > 0 || !bar.children.length) bar.append(part);
  }
  return [bar];
}

function spanRow(item, width) {
  const { span, trace } = item;
  const service = services[span.service];
  const deep = item.depth - 1 > DEEPEST ? element("b", `${item.depth - 1}`) : null;
  const guides = element("span", [], { className: "guides" });
  guides.style.setProperty("--depth", Math.min(item.depth - 1, DEEPEST));
  const signs = [
    span.orphan ? element("abbr", "?", { title: "The parent was not recorded" }) : null,
    span.shift ? element("abbr", "◷", { title: shifted(span) }) : null];
  const name = element("div", [guides, foldOf(item), deep,
    service === undefined ? null : element("span", [], { className: "dot" }),
    service === undefined ? null : element("b", cut(service, LONGEST_NAME)),
    element("em", `${span.failed ? "✗ " : ""}${cut(span.name, LONGEST_NAME)}`), ...signs,
    item.open || !item.children ? null
      : element("span", `+${item.end - item.index - 1}`, { className: "more" }),
    span.message ? element("small", cut(span.message, LONGEST_NAME)) : null],
  { className: "name" });
  const axis = axisOf(trace.view, width, barOf(span, trace));
  const kinds = ["span", span.failed && "error", span.took === undefined && "running",
    filter && (item.match ? "match" : "beside")].filter(Boolean).join(" ");
  const label = [span.name, service, taken(span), span.failed && `failed ${span.message || ""}`,
    span.orphan && "parent not recorded"]
    .filter(Boolean).join(", ").replace(/\s+/g, " ").trim();
  const time = element("div", taken(span), { className: "taken" });
  return colored(rowOf(item, kinds, [name, axis, time], cut(label, LONGEST_NAME)), span.service);
}

const signed = (seconds) => `${seconds < 0 ? "−" : "+"}${duration(Math.abs(seconds))}`;
const shifted = (span) =>
  `Moved by ${signed(span.shift)}: its clock differs from its caller's`;

function barOf(span, trace) {
  const { view } = trace;
  const at = (time) => 100 * place(time, view);
  const end = span.took === undefined ? trace.length : endOf(span);
  const [first, last] = [at(span.at), at(end)];
  if (last < 0 || first > 100) return [];
  const left = clamp(first, 0, 100);
  const bar = element("i");
  bar.style.left = `min(${left}%, 100% - 3px)`;
  bar.style.width = `${clamp(last, 0, 100) - left}%`;
  bar.span = span;
  bar.trace = trace;
  if (last - first < 0.5) return [bar]; // marks would hide it
  return [bar, ...criticalParts(span, trace, at), ...logMarks(span, at, first, last)];
}

function criticalParts(span, trace, at) {
  measure(trace);
  const made = [];
  for (let index = 0; index < span.path.length; index += 2) {
    const from = clamp(at(span.path[index]), 0, 100);
    const to = clamp(at(span.path[index + 1]), 0, 100);
    if (to <= from) continue;
    const near = made[made.length - 1]; // parts closer than a quarter of a percent are one
    if (near && from - near.to < 0.25) near.to = to;
    else made.push({ from, to });
  }
  return made.map(({ from, to }) => {
    const part = element("s");
    part.style.left = `${from}%`;
    part.style.width = `${to - from}%`;
    return part;
  });
}

// One mark for each quarter of a percent: a span may have any number of logs.
function logMarks(span, at, first, last) {
  const marks = [];
  for (const log of span.logs) {
    if (log[0] === null) continue;
    const place = Math.round(4 * clamp(at(log[0]), first, last));
    if (!(place >= 0 && place <= 400)) continue;
    const mark = (marks[place] ??= { logs: [], number: 0 });
    if (++mark.number <= MOST_TOLD) mark.logs.push(log);
  }
  return Object.entries(marks).map(([place, told]) => {
    const mark = element("u");
    mark.style.left = `${place / 4}%`;
    return Object.assign(mark, { told, span });
  });
}

// Selection and folding

function select(item, show = false) {
  selected = item;
  let closed = false;
  for (let parent = item.parent; parent; parent = parent.parent) {
    closed ||= !parent.open;
    parent.open = true;
  }
  if (show || !details.hidden) showDetails(item); // may make the list narrower
  if (closed) layOut();
  bring(item);
  redraw();
  noteAddress(item, show);
}

// Scroll until an item is in sight.
function bring(item) {
  const place = shown.indexOf(item);
  if (place < 0) return;
  const head = ruler.offsetHeight;
  if (tops[place] < list.scrollTop) list.scrollTop = tops[place];
  else if (tops[place + 1] + head > list.scrollTop + list.clientHeight)
    list.scrollTop = tops[place + 1] + head - list.clientHeight;
}

function toggle(item, open = !item.open) {
  if (!item.children || item.open === open) return;
  item.open = open;
  if (selected && selected.index > item.index && selected.index < item.end) selected = item;
  arrange();
}

function toggleAll(from, to, open) {
  for (let index = from; index < to; index++) items[index].open = open;
  if (!open) selected = selected.trace.item;
  arrange(selected);
}

// Select the next wanted item after the selected one, in the list's order; at the end, go on at
// the top.
function next(wanted) {
  const begin = selected ? order.indexOf(selected.trace) : 0;
  for (let turn = 0; turn <= order.length; turn++) {
    const { item } = order[(begin + turn) % order.length];
    const from = turn === 0 && selected ? selected.index + 1 : item.index;
    const to = turn === order.length && selected ? selected.index + 1 : item.end;
    for (let index = from; index < to; index++)
      if (wanted(items[index])) return select(items[index]);
  }
}

// Search

const query = find("query");
let opened = null; // which items were open before the search

function search() {
  const before = filter;
  filter = compile(query.value);
  if (filter && !before) opened = Uint8Array.from(items, (item) => item.open);
  if (!filter && before) for (const item of items) item.open = opened[item.index] === 1;
  let [matches, inTraces] = [0, 0];
  for (const { item: head } of traces) {
    let found = 0;
    for (let index = head.index; index < head.end; index++) {
      const item = items[index];
      item.match = item.kept = Boolean(filter && item.span && filter(item.span, item.trace));
      if (!item.match) continue;
      found++;
      // In the overview, the traces stay folded.
      for (let above = item.parent; above && !above.kept; above = above.parent) {
        above.kept = true;
        if (above.span || traces.length <= MANY) above.open = true;
      }
    }
    head.matches = found;
    matches += found;
    if (found) inTraces++;
  }
  const where = traces.length > 1 ? ` in ${counted(inTraces, "trace")}` : "";
  find("found").textContent = filter
    ? `${grouping(matches)} of ${counted(spansInAll, "span")}${matches ? where : ""}` : "";
  if (map.classList.contains("overview")) drawnMap = "";
  if (filter) list.scrollTop = 0;
  else for (let above = selected?.parent; above; above = above.parent) above.open = true;
  arrange(filter ? null : selected);
}

function searchFor(text) {
  query.value = text;
  search();
}
