// The map above the list: a trace's spans in small, with a range to drag; or all traces as dots,
// their durations over their starts.
const [map, chart, canvas, range, ring] = ["map", "chart", "canvas", "range", "ring"].map(find);
const EDGE = 8; // pixels around an end of the range where it can be dragged
const NEAR = 14; // pixels from a dot where it is meant
const LOG_SCALE = 30; // times the shortest duration that the longest is, from which on it is used
let drawnMap = ""; // what the canvas shows
let dots = []; // [trace, x, y] of the dots on it

function drawMap() {
  if (!selected) return;
  const { trace } = selected;
  const overview = isOverview(trace);
  map.classList.toggle("overview", overview);
  const { clientWidth: width, clientHeight: height } = chart;
  const wanted = `${overview || trace.number} ${width} ${height} ${devicePixelRatio}`;
  if (wanted !== drawnMap && width && height) {
    drawnMap = wanted;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    const pen = canvas.getContext("2d");
    pen.scale(devicePixelRatio, devicePixelRatio);
    if (overview) drawDots(pen, width, height);
    else drawSpans(pen, trace, width, height);
    canvas.setAttribute("aria-label", overview
      ? `Durations of ${counted(traces.length, "trace")} over their starts`
      : `All spans of ${cut(trace.name, LONGEST_NAME)} in small`);
  }
  const whole = overview || isWhole(trace);
  range.hidden = whole;
  if (!whole) {
    range.style.left = `${100 * place(trace.view[0], trace.whole)}%`;
    range.style.width = `max(2px, ${100 * (place(trace.view[1], trace.whole)
      - place(trace.view[0], trace.whole))}%)`;
  }
  find("unzoom").hidden = whole;
  find("summary").textContent = overview ? "" : summary(trace);
  const dot = overview && dots.find(([each]) => each === trace);
  ring.hidden = !dot;
  if (dot) [ring.style.left, ring.style.top] = [`${dot[1]}px`, `${dot[2]}px`];
}

// The services that take most of the critical path.
function summary(trace) {
  if (trace.summary === undefined) {
    const parts = shares(trace, (span) => span.service).filter((each) =>
      each.span.service !== undefined && each.critical >= 0.005 * trace.length).slice(0, 3)
      .map(({ span, critical }) =>
        `${cut(services[span.service], 30)} ${share(critical, trace.length)}`);
    trace.summary = parts.length ? `Critical path: ${parts.join(", ")}` : "";
  }
  return trace.summary;
}

const paint = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What is drawn in one colour is drawn together: changing it for each part is slow.
function grouped() {
  const groups = new Map();
  return [groups, (color, ...part) => {
    const group = groups.get(color);
    if (group) group.push(part);
    else groups.set(color, [part]);
  }];
}

function drawSpans(pen, trace, width, height) {
  const { item } = trace;
  measure(trace);
  const stripe = 5; // pixels for the critical path, at the bottom
  const step = (height - stripe - 3) / Math.max(trace.size, 6);
  const tall = Math.max(Math.floor(step * 0.8), 1);
  const [groups, add] = grouped();
  const x = (time) => Math.round(width * place(time, trace.whole));
  const widest = new Map(); // by line and colour, what is drawn already: many have one line
  for (let index = item.index + 1; index < item.end; index++) {
    const { span } = items[index];
    const color = colorOf(span.service);
    const y = Math.floor((index - item.index - 1) * step);
    const from = x(span.at);
    const to = Math.max(x(span.took === undefined ? trace.length : endOf(span)), from + 1);
    const key = y * 8 + ((span.service ?? 0) % 8);
    const known = widest.get(key);
    if (!known || from < known[0] || to > known[1]) {
      add(color, from, y, to - from, tall);
      if (!known || to - from > known[1] - known[0]) widest.set(key, [from, to]);
    }
    if (span.failed) add("--bad", from, y, 2, Math.max(tall, 2));
    const { path } = span;
    for (let part = 0; part < path.length; part += 2) {
      const start = x(path[part]);
      const end = x(path[part + 1]);
      if (end > start) add(color, start, height - stripe, end - start, stripe);
    }
  }
  for (const [color, parts] of groups) {
    pen.fillStyle = paint(color);
    for (const part of parts) pen.fillRect(...part);
  }
}

function drawDots(pen, width, height) {
  const [left, right, top, bottom] = [52, 10, 8, 18];
  const starts = traces.map((trace) => trace.start);
  const lengths = traces.map((trace) => Math.max(trace.length, 0));
  const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  const [first, last] = [least(starts), most(starts)];
  const high = most(lengths);
  const low = Math.max(least(lengths.filter((each) => each > 0)), high * 1e-6);
  const logarithmic = high > low * LOG_SCALE;
  const part = (value) => (logarithmic
    ? (Math.log(Math.max(value, low)) - Math.log(low)) / (Math.log(high) - Math.log(low))
    : high > 0 ? value / high : 0);
  const x = (time) => left + (width - left - right) * (last > first ? place(time, [first, last]) : 0.5);
  const y = (length) => height - bottom - (height - top - bottom) * part(length);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const values = logarithmic ? powers(low, high) : [0, high / 2, high];
  for (const value of values) {
    pen.fillStyle = paint("--quiet");
    pen.fillText(value ? duration(value) : "0", left - 6, y(value));
    pen.fillStyle = paint("--line");
    pen.fillRect(left, y(value), width - left - right, 1);
  }
  pen.fillStyle = paint("--quiet");
  pen.textAlign = "left";
  const ends = [traces[starts.indexOf(first)].when, traces[starts.indexOf(last)].when];
  pen.fillText(ends[0], left, height - 7);
  if (width > 420 && last > first) {
    pen.textAlign = "right";
    pen.fillText(ends[1], width - right, height - 7);
  }
  dots = traces.map((trace) => [trace, x(trace.start), y(trace.length)]);
  const radius = traces.length > 2000 ? 2 : 3;
  for (const faint of [true, false]) {
    const [groups, add] = grouped();
    for (const [trace, at, up] of dots) {
      if (Boolean(filter && !trace.item.kept) !== faint) continue;
      if (trace.errors) add("--bad", at, up, radius + 1.5);
      add(colorOf(trace.services[0]), at, up, radius);
    }
    pen.globalAlpha = faint ? 0.15 : 1;
    // The red ones are rings: the others' dots are drawn over them.
    for (const [color, parts] of [...groups].sort(([one]) => (one === "--bad" ? -1 : 0))) {
      pen.fillStyle = paint(color);
      pen.beginPath();
      for (const [at, up, size] of parts) {
        pen.moveTo(at + size, up);
        pen.arc(at, up, size, 0, 7);
      }
      pen.fill();
    }
  }
  pen.globalAlpha = 1;
}

// 1 ms, 10 ms, 100 ms: at most five between two durations.
function powers(low, high) {
  const found = [];
  for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high); power++)
    found.push(10 ** power);
  const step = Math.ceil(found.length / 5);
  const chosen = found.filter((_, index) => index % step === 0);
  return chosen.length > 1 ? chosen : [low, high];
}

function dotAt(x, y) {
  let [best, distance] = [null, NEAR];
  for (const [trace, at, up] of dots) {
    if (filter && !trace.item.kept) continue;
    const away = Math.hypot(at - x, up - y);
    if (away < distance) [best, distance] = [trace, away];
  }
  return best;
}

// Zoom

function zoomTo(trace, from, to) {
  setView(trace, from, to);
  redraw();
  if (!details.hidden) labelZoom(selected);
}

function zoom(item) {
  const { trace, span } = item;
  if (isOverview(trace)) return; // its axis is not in sight
  if (isWhole(trace) && span && span.took > 0) zoomTo(trace, span.at, endOf(span));
  else zoomTo(trace, 0, trace.length);
}

// In or out, around the middle of the selected span if it is in view.
function scale(factor, around) {
  const { trace, span } = selected;
  if (isOverview(trace)) return;
  const [from, to] = trace.view;
  const middle = span ? clamp(span.at + (span.took || 0) / 2, from, to) : (from + to) / 2;
  const fixed = around ?? middle;
  zoomTo(trace, fixed - (fixed - from) * factor, fixed + (to - fixed) * factor);
}

function pan(part) {
  const { trace } = selected;
  const [from, to] = trace.view;
  const by = clamp((to - from) * part, -from, trace.length - to);
  if (!isOverview(trace) && !isWhole(trace)) zoomTo(trace, from + by, to + by);
}

// Dragging on the map: outside the range it makes a new one, inside it moves it, at an end it
// moves the end.
function drag(event) {
  const { trace } = selected;
  const box = chart.getBoundingClientRect();
  const timeAt = (x) => trace.length * clamp((x - box.left) / box.width, 0, 1);
  const [from, to] = trace.view;
  const x = event.clientX - box.left;
  const [left, right] = [from, to].map((each) => box.width * place(each, trace.whole));
  const begin = timeAt(event.clientX);
  let change = (time) => [Math.min(begin, time), Math.max(begin, time)];
  if (!isWhole(trace)) {
    if (Math.abs(x - left) < EDGE) change = (time) => [Math.min(time, to), Math.max(time, to)];
    else if (Math.abs(x - right) < EDGE)
      change = (time) => [Math.min(time, from), Math.max(time, from)];
    else if (x > left && x < right) {
      change = (time) => {
        const by = clamp(time - begin, -from, trace.length - to);
        return [from + by, to + by];
      };
    }
  }
  const moved = ({ clientX }) => {
    if (Math.abs(clientX - event.clientX) > 2) zoomTo(trace, ...change(timeAt(clientX)));
  };
  const ended = () => {
    chart.removeEventListener("pointermove", moved);
    for (const name of ["pointerup", "pointercancel"]) chart.removeEventListener(name, ended);
  };
  chart.setPointerCapture(event.pointerId);
  chart.addEventListener("pointermove", moved);
  for (const name of ["pointerup", "pointercancel"]) chart.addEventListener(name, ended);
}

chart.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !selected) return;
  if (!isOverview(selected.trace)) drag(event);
});
chart.addEventListener("click", (event) => {
  if (!selected || !isOverview(selected.trace)) return;
  const box = chart.getBoundingClientRect();
  const trace = dotAt(event.clientX - box.left, event.clientY - box.top);
  if (trace) select(trace.item);
  list.focus();
});
chart.addEventListener("dblclick", (event) => {
  const { trace, item } = selected;
  if (!isOverview(trace)) return zoomTo(trace, 0, trace.length);
  if (dotAt(event.offsetX, event.offsetY) === trace) toggle(trace.item, true);
});
