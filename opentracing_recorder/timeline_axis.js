// The time axis: which part of a trace is in view, and the marks of its scale.
const THINNEST = 1e-9; // seconds in view, or this part of the trace if that is longer

const isWhole = (trace) => trace.view === trace.whole;

function setView(trace, from, to) {
  const thinnest = Math.min(Math.max(THINNEST, trace.length * THINNEST), trace.length);
  const width = clamp(to - from, thinnest, trace.length);
  const start = clamp(from + (to - from - width) / 2, 0, trace.length - width);
  trace.view = width >= trace.length ? trace.whole : [start, start + width];
}

// Round times in a view, about 90 pixels apart, each with a text of its own.
function ticksOf([from, to], pixels) {
  if (!(to > from)) return { step: 0, ticks: [[from, from ? duration(from) : "0"]] };
  const raw = (to - from) / clamp(Math.floor(pixels / 90), 2, 10);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((each) => each * power >= raw) || 10);
  const size = Math.max(Math.abs(from), Math.abs(to));
  const [unit, name] = size >= 1 ? [1, "s"] : size >= 1e-3 ? [1e-3, "ms"] : [1e-6, "µs"];
  const decimals = clamp(Math.ceil(-Math.log10(step / unit) - 1e-6), 0, 20);
  const ticks = [];
  for (let number = Math.ceil(from / step - 1e-6); number * step <= to + step * 1e-6; number++) {
    const text = number ? `${((number * step) / unit).toFixed(decimals)} ${name}` : "0";
    ticks.push([number * step, text]);
  }
  return { step, ticks };
}

const place = (time, [from, to]) => (to > from ? (time - from) / (to - from) : 0);
