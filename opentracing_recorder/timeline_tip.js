// What the pointer is over: a dot of the map, a mark of logs, a bar.
const tip = find("tip");
const MOST_TOLD = 6; // logs of one mark
const LONGEST_TOLD = 120; // characters of a line

function told(event) {
  const mark = event.target.closest("u, s, i, .whole");
  if (mark && mark.told) return tellLogs(mark.told, mark.span);
  const bar = mark && (mark.span ? mark : mark.closest(".axis")?.querySelector("i"));
  if (bar && bar.span) return tellSpan(bar);
  const { trace: inRow } = mark?.closest(".whole") || {};
  if (inRow) return tellShares(inRow);
  if (!chart.contains(event.target) || !selected || !isOverview(selected.trace)) return "";
  const box = chart.getBoundingClientRect();
  const trace = dotAt(event.clientX - box.left, event.clientY - box.top);
  return trace ? [trace.name, duration(trace.length), trace.when, counted(trace.size, "span"),
    trace.errors && `✗ ${counted(trace.errors, "error")}`].filter(Boolean) : "";
}

function tellLogs({ logs, number }, span) {
  const lines = logs.map(([at, ...pairs]) => {
    const fields = [];
    for (let index = 0; index + 1 < Math.min(pairs.length, 8); index += 2) {
      const [key, value] = [strings[pairs[index]], strings[pairs[index + 1]]];
      fields.push(key === "event" ? value : `${key}=${value}`);
    }
    return `+${duration(at - span.at)}  ${fields.join("  ")}`;
  });
  const left = number - logs.length;
  return left > 0 ? [...lines, `and ${grouping(left)} more`] : lines;
}

function tellSpan({ span, trace }) {
  measure(trace);
  return [span.name, [services[span.service], taken(span)].filter(Boolean).join(" · "),
    `self ${duration(span.self)} · on the critical path ${duration(span.critical)}`];
}

function tellShares(trace) {
  return [`${duration(trace.length)}, on the critical path:`,
    ...shares(trace, (span) => span.service).filter(({ critical }) => critical > 0)
      .slice(0, MOST_TOLD).map(({ span, critical }) =>
        `${services[span.service] ?? "no service"}  ${duration(critical)}  ${
          share(critical, trace.length)}`)];
}

function showTip(event) {
  const lines = event.pointerType === "touch" ? "" : told(event);
  tip.hidden = !lines.length;
  if (!lines.length) return;
  tip.textContent = lines.map((line) => cut(line.replace(/\s/g, " "), LONGEST_TOLD)).join("\n");
  const { offsetWidth: width, offsetHeight: height } = tip;
  tip.style.left = `${clamp(event.clientX + 12, 4, innerWidth - width - 4)}px`;
  const below = event.clientY + 18;
  tip.style.top = `${below + height > innerHeight ? event.clientY - height - 10 : below}px`;
}

document.addEventListener("pointermove", showTip);
const hideTip = () => { tip.hidden = true; };
document.addEventListener("pointerdown", hideTip);
document.documentElement.addEventListener("pointerleave", hideTip);
list.addEventListener("scroll", hideTip, { passive: true });
