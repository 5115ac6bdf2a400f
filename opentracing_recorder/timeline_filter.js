// The filter's words: all of them must hold for a span. `-` before a word turns it around.
//   cart            in a name, service, id, tag, log or error
//   duration>100ms  also self and critical; status>=500 and any other tag or field of a log
//   service=cart    the whole value; ~ instead of = finds a part; != another value
const UNITS = { "": 1, ns: 1e-9, us: 1e-6, "µs": 1e-6, "μs": 1e-6, ms: 1e-3, s: 1, m: 60, min: 60,
  h: 3600 };
let lowered = null; // the strings in lower case

function quantity(text) {
  const found = /^\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([a-zµμ]*)\s*$/.exec(text);
  return found && Object.hasOwn(UNITS, found[2]) ? Number(found[1]) * UNITS[found[2]] : NaN;
}

const numberOf = (value) => (typeof value === "number" ? value : quantity(value));

// Each takes a value that was found, the wanted one, and the wanted one as a number.
const COMPARISONS = {
  "=": (found, wanted, number) => found === wanted || numberOf(found) === number,
  "!=": (found, wanted, number) => !COMPARISONS["="](found, wanted, number),
  "~": (found, wanted) => String(found).includes(wanted),
  ">": (found, wanted, number) => numberOf(found) > number,
  ">=": (found, wanted, number) => numberOf(found) >= number,
  "<": (found, wanted, number) => numberOf(found) < number,
  "<=": (found, wanted, number) => numberOf(found) <= number,
};

const measured = (name) => (span, trace) => {
  measure(trace);
  return span[name];
};
const FIELDS = {
  name: (span) => lowered[span.nameAt],
  span: (span) => lowered[span.idAt],
  trace: (span, trace) => trace.id.toLowerCase(),
  service: (span) => (span.service === undefined ? "" : services[span.service].toLowerCase()),
  duration: (span) => span.took ?? NaN,
  self: measured("self"),
  critical: measured("critical"),
  error: (span) => String(Boolean(span.failed)),
};

const wordsOf = (text) => text.match(/(?:[^\s"]|"[^"]*(?:"|$))+/g) || [];

// A function of a span and its trace for the filter's text, or null where it asks for nothing.
function compile(text) {
  lowered ??= strings.map((each) => each.toLowerCase());
  const tests = wordsOf(text.toLowerCase()).map(testOf).filter(Boolean);
  if (tests.length < 2) return tests[0] || null;
  return (span, trace) => tests.every((test) => test(span, trace));
}

function testOf(word) {
  const turned = word.startsWith("-");
  const body = turned ? word.slice(1) : word;
  const [, key, comparison, value] =
    /^("[^"]+"|[^"=<>!~]+)(!=|>=|<=|[=<>~])(.*)$/s.exec(body) || [];
  const [field, wanted] = [key, key ? value : body].map((each) => each?.replaceAll('"', ""));
  if (!wanted) return null; // it is still being written
  const test = field ? fieldTest(field, comparison, wanted) : textTest(wanted);
  return turned ? (span, trace) => !test(span, trace) : test;
}

// Each text is looked at once, however many spans have it.
function once(test) {
  const known = new Uint8Array(strings.length);
  return (at) => (known[at] ||= test(lowered[at]) ? 2 : 1) === 2;
}

function textTest(wanted) {
  const fits = new Uint8Array(strings.length);
  for (let at = 0; at < fits.length; at++) if (lowered[at].includes(wanted)) fits[at] = 1;
  const served = services.map((each) => each.toLowerCase().includes(wanted));
  const traced = new Set(traces.filter((each) => each.id.toLowerCase().includes(wanted)));
  const among = (numbers, from) => {
    for (let at = from; at < numbers.length; at++) if (fits[numbers[at]]) return true;
    return false;
  };
  return (span, trace) => fits[span.nameAt] || fits[span.idAt] || fits[span.messageAt]
    || served[span.service] || among(span.tags, 0) || among(span.facts, 0)
    || among(span.baggage, 0) || span.logs.some((log) => among(log, 1)) || traced.has(trace);
}

// A key fits if the field's words are in it, `status` in `http.status_code` for instance.
function fieldTest(field, comparison, wanted) {
  const number = quantity(wanted);
  const compare = (value) => COMPARISONS[comparison](value, wanted, number);
  const plain = (text) => `.${text.replace(/[^\p{L}\p{N}]+/gu, ".")}.`;
  const words = plain(field);
  const isKey = once((key) => key === field || plain(key).includes(words));
  const isValue = once(compare);
  const own = Object.hasOwn(FIELDS, field) ? FIELDS[field] : null;
  const among = (pairs, from) => {
    for (let at = from; at + 1 < pairs.length; at += 2)
      if (isKey(pairs[at]) && isValue(pairs[at + 1])) return true;
    return false;
  };
  return (span, trace) => (own && compare(own(span, trace)))
    || among(span.tags, 0) || among(span.baggage, 0) || span.logs.some((log) => among(log, 1));
}

// The text with a word added to it, or without it where it has it.
function toggled(text, word) {
  const words = wordsOf(text);
  const others = words.filter((each) => each !== word);
  return (others.length < words.length ? others : [...words, word]).join(" ");
}
