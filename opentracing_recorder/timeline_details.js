// The details of the selected trace or span: what it took, its tags and logs, ids to copy.
const details = find("details");
let zoomButton = null;
const MOST_OPERATIONS = 20; // in a trace's table of where its time went

// The elements for the first MOST_SHOWN values, and a line with the number of the others.
function some(all, make, rest = (text) => element("p", text, { className: "more" })) {
  const made = all.slice(0, MOST_SHOWN).flatMap(make);
  const left = all.length - MOST_SHOWN;
  return left > 0 ? [...made, rest(`and ${grouping(left)} more`)] : made;
}

function table(title, fields) {
  if (!fields.length) return [];
  const row = (key, value) =>
    element("tr", [element("th", cut(key, LONGEST_NAME), { scope: "row" }),
      element("td", element("div", value instanceof Node ? value : cut(value, LONGEST_VALUE)))]);
  const made = some(fields, ([key, value]) => row(key, value), (text) => row("", text));
  return [title && element("h3", title), element("table", element("tbody", made))];
}

const pairsOf = (flat, from = 0) => {
  const pairs = [];
  for (let at = from; at + 1 < flat.length; at += 2)
    pairs.push([strings[flat[at]], strings[flat[at + 1]]]);
  return pairs;
};

function showDetails(item) {
  const { span, trace } = item;
  const close = element("button", "Close", { onclick: hideDetails });
  zoomButton = element("button", [], { onclick: () => zoom(selected) });
  labelZoom(item);
  const link = FRAMED ? null : element("button", "Copy link",
    { onclick: ({ target }) => copy(target, address(item)) });
  const bar = element("div", [zoomButton, link, close], { className: "bar" });
  details.replaceChildren(bar,
    ...(span ? spanDetails(span, trace, item) : traceDetails(trace)).filter(Boolean));
  details.scrollTop = 0;
  details.hidden = false;
}

function labelZoom({ span, trace }) {
  zoomButton.textContent = isWhole(trace) ? "Zoom" : "Zoom out";
  zoomButton.hidden = !(span && span.took > 0) && isWhole(trace);
}

function spanDetails(span, trace, { parent }) {
  measure(trace);
  const service = cut(services[span.service] || "", LONGEST_NAME);
  const time = `${taken(span)}, started at +${duration(span.at)}`;
  const logs = some(span.logs, (log) => [
    element("p", log[0] === null ? "" : `+${duration(log[0] - span.at)}`),
    ...table("", pairsOf(log, 1))]);
  const withShare = (part) => [duration(part), share(part, trace.length) + " of the trace"]
    .filter((each) => trace.length > 0 || !each.startsWith(" ")).join(", ");
  const above = parent && parent.span;
  const facts = pairsOf(span.facts);
  return [
    element("h2", cut(span.name, LONGEST_VALUE)),
    element("p", [service, time].filter(Boolean).join(" · ")),
    span.message ? element("p", cut(span.message, LONGEST_VALUE), { className: "problem" }) : null,
    span.shift ? element("p", `◷ ${shifted(span)}`, { className: "note" }) : null,
    span.orphan ? element("p", "? The parent was not recorded", { className: "note" }) : null,
    ...table("Time", [["self", withShare(span.self)], ["critical path", withShare(span.critical)]]),
    ...table("Tags", pairsOf(span.tags)),
    ...(logs.length ? [element("h3", "Logs"), ...logs] : []),
    ...table("Baggage", pairsOf(span.baggage)),
    ...table("Span", [["trace", copied(trace.id)], ["span", copied(span.id)],
      ...(above && !facts.some(([key]) => key === "parent") ? [["parent", linked(parent)]] : []),
      ...facts]),
  ];
}

function traceDetails(trace) {
  const operations = shares(trace, (span) => `${span.service} ${span.nameAt}`);
  const left = operations.length - MOST_OPERATIONS;
  const cells = (name, values) => element("tr", values.map((each) => element(name, each)));
  const rows = operations.slice(0, MOST_OPERATIONS).map(({ span, number, failed, self, critical }) =>
    cells("td", [
      [services[span.service], span.name].filter(Boolean)
        .map((each) => cut(each, LONGEST_NAME)).join(": "),
      `${grouping(number)}${failed ? ` ✗ ${grouping(failed)}` : ""}`,
      duration(self), `${duration(critical)}  ${share(critical, trace.length)}`]));
  return [
    element("h2", cut(trace.name, LONGEST_VALUE)),
    ...table("Trace", [["id", copied(trace.id)], ["started", trace.when],
      ["duration", duration(trace.length)], ["spans", grouping(trace.size)],
      ["services", trace.services.slice(0, MOST_SHOWN).map((each) => services[each]).join(", ")],
      ["errors", `${trace.errors}`], ...clocks(trace)]),
    element("h3", "Where the time went"),
    element("table", [
      element("thead", cells("th", ["operation", "spans", "self time", "critical path"])),
      element("tbody", rows)], { className: "shares" }),
    left > 0 ? element("p", `and ${grouping(left)} more`, { className: "more" }) : null,
  ];
}

// Services whose clocks were corrected, and by how much: a service may have had several processes.
function clocks(trace) {
  const found = new Map();
  for (let index = trace.item.index + 1; index < trace.item.end; index++) {
    const { span } = items[index];
    if (span.shift) found.set(`${span.service} ${duration(span.shift)}`, span);
  }
  return [...found.values()].map((span) => ["◷ clock",
    `${cut(services[span.service] ?? "no service", LONGEST_NAME)}: ${signed(span.shift)}`]);
}

function hideDetails() {
  details.hidden = true;
  list.focus();
  redraw();
}

// In a frame, an address would be one of the page around it.
const linked = (item) => element("a", cut(item.span.id, LONGEST_NAME), { href: address(item),
  onclick: (event) => {
    event.preventDefault();
    select(item, true);
  } });

function copied(text) {
  const button = element("button", "Copy", { onclick: () => copy(button, text, value) });
  const value = element("span", cut(text, LONGEST_VALUE));
  return element("div", [value, button], { className: "copied" });
}

// A page in a frame, or of a file in some browsers, may not write to the clipboard: then the text
// is selected, for the reader to copy.
async function copy(button, text, where) {
  const before = button.textContent;
  try {
    const whole = text.startsWith("#") && !where ? location.href.split("#")[0] + text : text;
    await navigator.clipboard.writeText(whole);
    button.textContent = "Copied";
  } catch {
    if (where) getSelection().selectAllChildren(where);
    button.textContent = where ? "Selected" : "It is in the address bar";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

// Addresses: #trace or #trace/span, and a number where a trace has several spans of one id.

const FRAMED = location.protocol === "about:"; // a notebook's frame has no address
const LONGEST_ADDRESS = 2000; // characters; ids may be any texts
const SETTLED = 300; // milliseconds without a move after which the address follows
let settling = 0;

function address(item) {
  const { trace, span } = item;
  const parts = [trace.id];
  if (span) {
    parts.push(span.id);
    let number = 1;
    for (let index = trace.item.index + 1; index < item.index; index++)
      if (items[index].span.idAt === span.idAt) number++;
    if (number > 1) parts.push(String(number));
  }
  return `#${parts.map(encodeURIComponent).join("/")}`;
}

function itemAt(hash) {
  let parts;
  try {
    parts = hash.slice(1).split("/").map(decodeURIComponent);
  } catch {
    return null; // not an address of this page's
  }
  const trace = traces.find((each) => each.id === parts[0]);
  if (!trace || parts.length === 1) return trace ? trace.item : null;
  let number = Number(parts[2] || 1);
  for (let index = trace.item.index + 1; index < trace.item.end; index++)
    if (items[index].span.id === parts[1] && --number === 0) return items[index];
  return null;
}

// What is opened is a step to go back from; what is passed on the way is not.
function noteAddress(item, opened) {
  clearTimeout(settling);
  if (FRAMED || details.hidden) return;
  const wanted = address(item);
  if (wanted.length > LONGEST_ADDRESS || wanted === location.hash) return;
  if (opened) location.hash = wanted;
  else settling = setTimeout(() => history.replaceState(null, "", wanted), SETTLED);
}

function followAddress() {
  const item = itemAt(location.hash);
  if (!item) {
    if (!location.hash && !details.hidden) hideDetails();
    return;
  }
  if (item === selected && !details.hidden) return;
  if (filter && !item.kept) searchFor("");
  select(item, true);
}
