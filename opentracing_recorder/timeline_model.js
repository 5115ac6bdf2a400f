// The traces of the page: each trace and each span is an item; and how values are written.
const find = (id) => document.getElementById(id);
const { traces, services, strings } = JSON.parse(find("traces").textContent);
find("traces").textContent = ""; // its memory is not needed any more
const MANY = 10; // more traces than these start folded: the page is an overview
const MOST_SHOWN = 500; // tags or logs of one span, in the details
const LONGEST_NAME = 300; // characters of a name in a row
const LONGEST_VALUE = 20000; // characters of a value in the details

const NONE = Object.freeze([]);

// A span is read from its array when it is asked for: making 50,000 objects with all these takes
// longer. Their order is that of `_span` in _timeline_page.py; those left out are undefined.
class Span {
  constructor(row) {
    this.row = row;
    this.path = NONE; // the parts of it on the critical path, and their seconds: see `measure`
    this.critical = 0;
  }
  get name() { return strings[this.row[1]]; }
  get nameAt() { return this.row[1]; }
  get id() { return strings[this.row[2]]; }
  get idAt() { return this.row[2]; }
  get at() { return this.row[3]; }
  get took() { return this.row[4] ?? undefined; } // undefined if it is not finished
  get service() { return this.row[5] ? this.row[5] - 1 : undefined; }
  get failed() { return this.row[6]; }
  get message() { return strings[this.row[7] || 0]; }
  get messageAt() { return this.row[7] || 0; }
  get tags() { return this.row[8] || NONE; } // numbers of strings: keys and values in turn
  get logs() { return this.row[9] || NONE; } // of each the time, keys and values
  get facts() { return this.row[10] || NONE; }
  get baggage() { return this.row[11] || NONE; }
  get orphan() { return this.row[12]; }
  get shift() { return this.row[13]; }
  get self() { return this.row[14] ?? Math.max(this.row[4] ?? 0, 0); }
}

// A trace's descendants follow it, up to `end`, and a span's do too.
const items = [];
for (const [number, trace] of traces.entries()) {
  trace.number = number;
  trace.view = trace.whole = [0, trace.length];
  const path = [];
  const add = (depth, span) => {
    const parent = depth ? path[depth - 1] : null;
    const item = { index: items.length, end: items.length + 1, trace, span, depth, parent,
      children: 0, place: 1, open: depth > 0 || traces.length <= MANY, kept: false, match: false };
    if (parent) item.place = ++parent.children;
    path[depth] = item;
    items.push(item);
    return item;
  };
  trace.item = add(0, null);
  for (const row of trace.spans) add(row[0] + 1, new Span(row));
  trace.size = trace.spans.length;
  trace.spans = null;
}
for (let index = items.length - 1; index >= 0; index--) {
  const { parent, end } = items[index];
  if (parent && parent.end < end) parent.end = end;
}
const spansInAll = items.length - traces.length;

// An unfinished span has no end; it counts up to its start, and its bar reaches the trace's end.
const endOf = (span) => span.at + Math.max(span.took ?? 0, 0);

function element(name, parts = [], properties = {}) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...[].concat(parts).filter((part) => part !== null && part !== false));
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
// As toLocaleString writes it, which takes 30 ms the first time.
const grouping = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
const counted = (number, noun) =>
  `${grouping(number)} ${noun}${number === 1 ? "" : noun.endsWith("h") ? "es" : "s"}`;
const share = (part, whole) => (whole > 0 ? `${Math.round((100 * part) / whole)} %` : "");
const cut = (text, most) => (text.length > most
  ? `${text.slice(0, most)}… (${grouping(text.length - most)} more characters)` : text);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const colorOf = (service) => `--s${(service ?? 0) % 8}`;
function colored(made, service) {
  made.style.setProperty("--bar", `var(${colorOf(service)})`);
  return made;
}
