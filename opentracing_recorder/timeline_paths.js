// The critical path, as _critical_path.py found it.

// Sets, for each span of a trace: `critical`, its seconds on the critical path, and `path`, the
// parts of the trace's time in which the path is in this span, as [from, to, from, to...].
function measure(trace) {
  if (!trace.path) return;
  const { path, item } = trace;
  trace.path = null;
  let [from] = path; // the path goes on, from span to span, without a gap
  for (let index = 1; index < path.length; index += 2) {
    const { span } = items[item.index + 1 + path[index]];
    const to = path[index + 1];
    if (span.path === NONE) span.path = [];
    span.path.push(from, to);
    span.critical += to - from;
    from = to;
  }
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
