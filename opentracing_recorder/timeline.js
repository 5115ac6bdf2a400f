// The timeline page: a tree of spans with bars. Only the rows in sight are elements.
"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const [list, ruler, rows, details, query, found] = [
    "list", "ruler", "rows", "details", "query", "found"].map(find);
  const { traces, services } = JSON.parse(find("traces").textContent);
  const spansInAll = traces.reduce((sum, trace) => sum + trace.spans.length, 0);
  const OVERSCAN = 8; // rows beyond what is in sight
  const MOST_SHOWN = 500; // tags or logs of one span, in the details
  const DEEPEST = 24; // steps of indentation; deeper spans have their depth as a number

  // Each trace and each span is an item; an item's descendants follow it, up to `end`.
  const items = [];
  for (const trace of traces) {
    const path = [];
    const add = (depth, span) => {
      const parent = depth ? path[depth - 1] : null;
      const item = { index: items.length, trace, span, depth, parent, children: 0, place: 1 };
      item.open = depth > 0 || traces.length <= 10;
      item.end = item.index + 1;
      if (parent) item.place = ++parent.children;
      path[depth] = item;
      items.push(item);
    };
    add(0, null);
    for (const span of trace.spans) add(span.depth + 1, span);
    trace.view = [0, trace.length];
  }
  for (const item of [...items].reverse())
    if (item.parent) item.parent.end = Math.max(item.parent.end, item.end);

  let shown = []; // the items in the list, from the top
  let tops = []; // where each of them starts, and where the last ends, in pixels
  let drawn = ""; // which of them are elements
  let selected = items[0] || null;
  let terms = [];

  // Small parts

  function element(name, parts = [], properties = {}) {
    const made = document.createElement(name);
    Object.assign(made, properties);
    made.append(...[].concat(parts).filter((part) => part !== null));
    return made;
  }

  function duration(seconds) {
    const figures = (value) => {
      const size = Math.abs(value);
      return size >= 1e6 ? value.toPrecision(3)
        : value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
    };
    const size = Math.abs(seconds);
    if (size < 0.0009995) return `${Math.round(seconds * 1e6)} µs`;
    if (size < 0.9995) return `${figures(seconds * 1e3)} ms`;
    return `${figures(seconds)} s`;
  }

  const taken = (span) => (span.took === undefined ? "running" : duration(span.took));
  const counted = (number, noun) =>
    `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

  function colored(made, service) {
    if (service !== undefined) made.style.setProperty("--bar", `var(--s${service % 8})`);
    else made.style.setProperty("--bar", "var(--s0)");
    return made;
  }

  // The list

  function arrange() {
    const style = getComputedStyle(document.documentElement);
    const [row, top] = ["--row", "--top"].map((name) => parseFloat(style.getPropertyValue(name)));
    shown = [];
    tops = [0];
    for (let index = 0; index < items.length; ) {
      const item = items[index];
      if (terms.length && !item.kept) {
        index = item.end;
        continue;
      }
      tops.push(tops[shown.length] + (item.span ? row : top));
      shown.push(item);
      index = item.open ? index + 1 : item.end;
    }
    rows.style.height = `${tops[shown.length]}px`;
    drawn = "";
    draw();
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
    const first = rowAt(list.scrollTop);
    const from = Math.max(first - OVERSCAN, 0);
    const to = rowAt(list.scrollTop + list.clientHeight) + OVERSCAN;
    if (drawn === `${from} ${to}`) return;
    drawn = `${from} ${to}`;
    const made = shown.slice(from, to).map((item, index) => {
      const row = item.span ? spanRow(item) : traceRow(item);
      row.style.top = `${tops[from + index]}px`;
      return row;
    });
    rows.replaceChildren(...made);
    drawRuler(shown[first]);
    if (selected) list.setAttribute("aria-activedescendant", `item-${selected.index}`);
  }

  function redraw() {
    drawn = "";
    draw();
  }

  function rowOf(item, kind, parts, label) {
    const row = element("div", parts, { className: `row ${kind}`, id: `item-${item.index}` });
    const siblings = item.parent ? item.parent.children : traces.length;
    const place = item.parent ? item.place : traces.indexOf(item.trace) + 1;
    const facts = { role: "treeitem", "aria-level": item.depth + 1, "aria-setsize": siblings,
      "aria-posinset": place, "aria-selected": item === selected, "aria-label": label };
    if (item.children) facts["aria-expanded"] = item.open;
    for (const [name, value] of Object.entries(facts)) row.setAttribute(name, value);
    row.item = item;
    return row;
  }

  const foldOf = (item) =>
    element("span", item.children ? (item.open ? "▼" : "▶") : "", { className: "fold" });

  function traceRow(item) {
    const { trace } = item;
    const parts = [trace.when, duration(trace.length), counted(trace.spans.length, "span"),
      trace.services.map((each) => services[each]).join(", ")].filter(Boolean);
    const failed = trace.errors ? element("strong", ` · ${counted(trace.errors, "error")}`) : null;
    const name = element("h2", [trace.name, element("code", trace.id)]);
    const text = element("div", [name, element("p", [parts.join(" · "), failed])]);
    const label = `trace ${trace.name}, ${parts.join(", ")}, ${counted(trace.errors, "error")}`;
    return rowOf(item, "top", [foldOf(item), text], label);
  }

  function spanRow(item) {
    const { span, trace } = item;
    const service = services[span.service];
    const deep = item.depth - 1 > DEEPEST ? element("b", `${item.depth - 1}`) : null;
    const guides = element("span", [], { className: "guides" });
    guides.style.setProperty("--depth", Math.min(item.depth - 1, DEEPEST));
    const name = element("div", [guides, foldOf(item), deep,
      service === undefined ? null : element("span", [], { className: "dot" }),
      service === undefined ? null : element("b", service),
      element("em", `${span.error ? "✗ " : ""}${span.name}`),
      item.open || !item.children ? null
        : element("span", `+${item.end - item.index - 1}`, { className: "more" }),
      span.message ? element("small", span.message) : null], { className: "name" });
    const axis = element("div", barOf(span, trace), { className: "axis" });
    const kinds = ["span", span.error && "error", span.took === undefined && "running",
      terms.length && (item.match ? "match" : "beside")].filter(Boolean).join(" ");
    const label = [span.name, service, taken(span), span.error && `failed ${span.message || ""}`]
      .filter(Boolean).join(", ").replace(/\s+/g, " ").trim();
    const time = element("div", taken(span), { className: "taken" });
    return colored(rowOf(item, kinds, [name, axis, time], label), span.service);
  }

  function barOf(span, trace) {
    const [from, to] = trace.view;
    const place = (time) => (to > from ? (100 * (time - from)) / (to - from) : 0);
    const end = span.took === undefined ? trace.length : span.at + Math.max(span.took, 0);
    const [first, last] = [place(span.at), place(end)];
    if (last < 0 || first > 100) return [];
    const left = Math.min(Math.max(first, 0), 100);
    const bar = element("i");
    bar.style.left = `min(${left}%, 100% - 3px)`;
    bar.style.width = `${Math.min(Math.max(last, 0), 100) - left}%`;
    if (last - first < 0.5) return [bar]; // marks would hide it
    // One mark for each quarter of a percent: a span may have any number of logs.
    const places = new Set();
    for (const [at] of span.logs || [])
      if (at !== null) places.add(Math.round(4 * Math.min(Math.max(place(at), first), last)) / 4);
    const marks = [...places].filter((each) => each >= 0 && each <= 100).map((each) => {
      const mark = element("u");
      mark.style.left = `${each}%`;
      return mark;
    });
    return [bar, ...marks];
  }

  function drawRuler(item) {
    if (!item) return;
    const [from, to] = item.trace.view;
    const ticks = [0, 1, 2, 3, 4].map((part) => {
      const tick = element("span", part || from ? duration(from + ((to - from) * part) / 4) : "0");
      tick.style.left = `${25 * part}%`;
      return tick;
    });
    ruler.firstElementChild.textContent = item.trace.name;
    find("ticks").replaceChildren(...ticks);
  }

  // Selection, folding, zoom

  function select(item, show) {
    selected = item;
    for (let parent = item.parent; parent; parent = parent.parent) parent.open = true;
    if (show || !details.hidden) showDetails(item); // may make the list narrower
    if (!shown.includes(item)) arrange();
    const place = shown.indexOf(item);
    const head = ruler.offsetHeight;
    if (tops[place] < list.scrollTop) list.scrollTop = tops[place];
    else if (tops[place + 1] + head > list.scrollTop + list.clientHeight)
      list.scrollTop = tops[place + 1] + head - list.clientHeight;
    redraw();
  }

  function toggle(item, open = !item.open) {
    if (!item.children || item.open === open) return;
    item.open = open;
    if (selected && selected.index > item.index && selected.index < item.end) selected = item;
    arrange();
  }

  function zoom(item) {
    const { trace, span } = item;
    const whole = trace.view[0] === 0 && trace.view[1] === trace.length;
    if (whole && span && span.took > 0) trace.view = [span.at, span.at + span.took];
    else trace.view = [0, trace.length];
    redraw();
    if (!details.hidden) showDetails(item);
  }

  // Details

  // The elements for the first MOST_SHOWN values, and a line with the number of the others.
  function some(all, make, rest = (text) => element("p", text, { className: "more" })) {
    const made = all.slice(0, MOST_SHOWN).flatMap(make);
    const left = all.length - MOST_SHOWN;
    return left > 0 ? [...made, rest(`and ${left.toLocaleString("en")} more`)] : made;
  }

  function table(title, fields) {
    if (!fields || !fields.length) return [];
    const row = (key, value) =>
      element("tr", [element("th", key, { scope: "row" }), element("td", element("div", value))]);
    const made = some(fields, ([key, value]) => row(key, value), (text) => row("", text));
    return [title && element("h3", title), element("table", element("tbody", made))];
  }

  function showDetails(item) {
    const { span, trace } = item;
    const close = element("button", "Close", { onclick: hideDetails });
    const whole = trace.view[0] === 0 && trace.view[1] === trace.length;
    const scale = span && (span.took > 0 || !whole)
      ? element("button", whole ? "Zoom" : "Zoom out", { onclick: () => zoom(item) }) : null;
    const bar = element("div", [scale, close], { className: "bar" });
    details.replaceChildren(bar, ...(span ? spanDetails(span, trace) : traceDetails(trace)));
    details.scrollTop = 0;
    details.hidden = false;
  }

  function spanDetails(span, trace) {
    const service = services[span.service];
    const time = `${taken(span)}, started at +${duration(span.at)}`;
    const logs = some(span.logs || [], ([at, fields]) => [
      element("p", at === null ? "" : `+${duration(at - span.at)}`), ...table("", fields)]);
    return [
      element("h2", span.name),
      element("p", [service, time].filter(Boolean).join(" · ")),
      ...(span.message ? [element("p", span.message, { className: "problem" })] : []),
      ...table("Tags", span.tags),
      ...(logs.length ? [element("h3", "Logs"), ...logs] : []),
      ...table("Baggage", span.baggage),
      ...table("Span", [["trace", trace.id], ...span.facts]),
    ].filter(Boolean);
  }

  function traceDetails(trace) {
    return [
      element("h2", trace.name),
      ...table("Trace", [["id", trace.id], ["started", trace.when],
        ["duration", duration(trace.length)], ["spans", `${trace.spans.length}`],
        ["services", trace.services.map((each) => services[each]).join(", ")],
        ["errors", `${trace.errors}`]]),
    ];
  }

  function hideDetails() {
    details.hidden = true;
    list.focus();
    redraw();
  }

  // Search

  function textOf(item) {
    if (item.text === undefined) {
      const { span, trace } = item;
      const fields = [...(span.tags || []), ...(span.baggage || []),
        ...(span.logs || []).flatMap(([, logged]) => logged)];
      item.text = [span.name, services[span.service] || "", span.message || "", trace.id,
        ...span.facts.map(([, value]) => value), ...fields.map((field) => field.join("="))]
        .join("\n").toLowerCase();
    }
    return item.text;
  }

  function search() {
    terms = [...query.value.toLowerCase().matchAll(/"([^"]*)"?|\S+/g)]
      .map((each) => each[1] ?? each[0]).filter(Boolean);
    for (const item of items) item.kept = item.match = false;
    let matches = 0;
    for (const item of terms.length ? items : []) {
      if (!item.span || !terms.every((term) => textOf(item).includes(term))) continue;
      item.match = item.kept = true;
      matches++;
      for (let above = item.parent; above && !(above.kept && above.open); above = above.parent)
        above.kept = above.open = true;
    }
    found.textContent = terms.length
      ? `${matches.toLocaleString("en")} of ${counted(spansInAll, "span")}` : "";
    arrange();
    if (terms.length) list.scrollTop = 0;
    else if (selected) select(selected, false);
  }

  function searchFor(text) {
    query.value = text;
    search();
  }

  // Select the next wanted item after the selected one; from the end, go on at the top.
  function next(wanted) {
    const start = selected ? selected.index + 1 : 0;
    const item = [...items.slice(start), ...items.slice(0, start)].find(wanted);
    if (item) select(item, false);
  }

  // Keys and pointers

  function move(steps) {
    const place = shown.indexOf(selected) + steps;
    if (shown.length) select(shown[Math.min(Math.max(place, 0), shown.length - 1)], false);
  }

  const page = () => Math.max(Math.floor(list.clientHeight / (tops[1] || 1)) - 1, 1);
  const failed = (item) => item.span && item.span.error && (!terms.length || item.kept);
  const KEYS = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(page()),
    PageUp: () => move(-page()),
    Home: () => move(-Infinity),
    End: () => move(Infinity),
    ArrowRight: () => {
      if (!selected.open) toggle(selected, true);
      else if (selected.children) move(1);
    },
    ArrowLeft: () => {
      if (selected.open && selected.children) toggle(selected, false);
      else if (selected.parent) select(selected.parent, false);
    },
    Enter: () => (details.hidden ? select(selected, true) : hideDetails()),
    Escape: () => (details.hidden ? searchFor("") : hideDetails()),
    "/": () => query.select(),
    e: () => next(failed),
    n: () => next((item) => item.match),
    z: () => zoom(selected),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === query) {
      if (event.key === "Escape") searchFor("");
      else if (event.key !== "Enter" && event.key !== "ArrowDown") return;
      else if (terms.length && !(selected && selected.match)) next((item) => item.match);
      list.focus();
    } else {
      const known = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
      const onButton = event.target.closest("button") && event.key === "Enter";
      const inDetails = details.contains(event.target) && event.key !== "Escape";
      if (!known || !selected || onButton || inDetails) return;
      known();
    }
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    if (event.target.closest(".fold") && row.item.children) toggle(row.item);
    else if (row.item.span) select(row.item, true);
    else {
      select(row.item, false);
      toggle(row.item);
    }
  });
  query.addEventListener("input", search);
  list.addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", arrange);
  new ResizeObserver(redraw).observe(list);

  const chips = some(services.map((service, index) => [service, index]), ([service, index]) =>
    colored(element("button", [element("span", [], { className: "dot" }), service],
      { className: "chip", onclick: () => searchFor(`"${service}"`) }), index));
  const errors = traces.reduce((sum, trace) => sum + trace.errors, 0);
  if (errors) chips.push(element("button", `✗ ${counted(errors, "error")}`,
    { className: "chip bad", title: "Go to the next error", onclick: () => next(failed) }));
  find("legend").replaceChildren(...chips);
  document.body.classList.add("ready");
  for (const part of document.querySelectorAll("[data-live]")) part.hidden = !items.length;
  arrange();
  list.focus({ preventScroll: true });
})();
