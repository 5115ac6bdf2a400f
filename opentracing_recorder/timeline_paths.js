// Self times and the critical path, by the definitions in _critical_path.py.

// Sets, for each span of a trace: `self` and `critical` in seconds, and `path`, the parts of the
// trace's time in which the critical path is in this span, as [from, to, from, to...], last first.
function measure(trace) {
  if (trace.measured) return;
  trace.measured = true;
  const head = trace.item;
  for (let index = head.index + 1; index < head.end; index++) measureSelf(items[index]);
  follow(head, [...childrenOf(head)], -Infinity, Infinity);
}

function measureSelf(item) {
  const { span } = item;
  const end = endOf(span);
  span.critical = 0;
  span.path = [];
  span.self = end - span.at;
  if (item.end === item.index + 1) return;
  let covered = span.at;
  for (const child of [...childrenOf(item)].sort((a, b) => a.span.at - b.span.at)) {
    const from = Math.max(child.span.at, covered);
    const to = Math.min(endOf(child.span), end);
    if (to <= from) continue;
    span.self -= to - from;
    covered = to;
  }
  span.self = Math.max(span.self, 0);
}

// From the end backwards, to the child that ended last; there are no calls of calls, as a trace may
// be as deep as it has spans.
function follow(head, roots, first, last) {
  const waiting = [[null, roots, first, last]];
  while (waiting.length) {
    const [span, children, from, until] = waiting.pop();
    let cursor = until;
    for (const child of children.sort((a, b) => endOf(b.span) - endOf(a.span))) {
      if (cursor <= from) break;
      if (child.span.at >= cursor) continue;
      const end = Math.min(endOf(child.span), cursor);
      if (end <= from) break;
      mark(span, end, cursor);
      const start = Math.max(child.span.at, from);
      waiting.push([child.span, [...childrenOf(child)], start, end]);
      cursor = start;
    }
    mark(span, from, cursor);
  }
}

function mark(span, from, to) {
  if (!span || to <= from) return;
  span.path.push(from, to);
  span.critical += to - from;
}

// The time on the critical path by a key of its spans, the longest first: [key, critical, spans].
function shares(trace, keyOf) {
  measure(trace);
  const found = new Map();
  for (let index = trace.item.index + 1; index < trace.item.end; index++) {
    const { span } = items[index];
    const key = keyOf(span);
    let entry = found.get(key);
    if (!entry) found.set(key, (entry = { span, critical: 0, self: 0, number: 0, failed: 0 }));
    entry.critical += span.critical;
    entry.self += span.self;
    entry.number++;
    if (span.failed) entry.failed++;
  }
  return [...found.values()].sort((a, b) => b.critical - a.critical || b.self - a.self);
}
