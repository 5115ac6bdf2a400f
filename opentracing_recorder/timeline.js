// Keys and pointers, and the start.

function move(steps) {
  const place = shown.indexOf(selected) + steps;
  if (shown.length) select(shown[clamp(place, 0, shown.length - 1)]);
}

const page = () => Math.max(Math.floor(list.clientHeight / (tops[1] || 1)) - 1, 1);
const failed = (item) => item.span && item.span.failed && (!filter || item.kept);
const critical = (item) => {
  if (!item.span || (filter && !item.kept)) return false;
  measure(item.trace);
  return item.span.critical > 0;
};
const help = find("help");
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
    else if (selected.parent) select(selected.parent);
  },
  Enter: () => (details.hidden ? select(selected, true) : hideDetails()),
  Escape: () => (details.hidden ? searchFor("") : hideDetails()),
  "/": () => query.select(),
  e: () => next(failed),
  n: () => next((item) => item.match),
  c: () => next(critical),
  z: () => zoom(selected),
  w: () => scale(0.5),
  s: () => scale(2),
  a: () => pan(-0.25),
  d: () => pan(0.25),
  "*": () => toggleAll(selected.index, selected.end, true),
  o: () => toggleAll(0, items.length, false),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target === query) {
    if (event.key === "Escape") searchFor("");
    else if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    else if (filter && !(selected && selected.match)) next((item) => item.match);
    list.focus();
  } else {
    const known = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    const onControl = event.target.closest("button, a, select")
      && !/^[a-z?/]$|Escape/.test(event.key);
    const inDetails = details.contains(event.target) && event.key !== "Escape";
    if (!known || !selected || onControl || inDetails || event.target.closest("select")) return;
    known();
  }
  event.preventDefault();
});
function choose(target) {
  const row = target.closest(".row");
  if (!row) return;
  if (target.closest(".fold") && row.item.children) toggle(row.item);
  else if (row.item.span) select(row.item, true);
  else {
    select(row.item);
    toggle(row.item);
  }
}
list.addEventListener("click", (event) => choose(event.target));
let pressed = null; // the row under the pointer
list.addEventListener("pointerdown", (event) => (pressed = event.target.closest(".row")));
list.addEventListener("pointerup", (event) => {
  // Browsers send no click if the row that was pressed has been drawn anew.
  const row = event.target.closest(".row");
  if (row && pressed && !pressed.isConnected && pressed.item === row.item) choose(event.target);
});
list.addEventListener("dblclick", (event) => {
  const row = event.target.closest(".axis") && event.target.closest(".row");
  if (row && row.item.span) zoom(row.item);
});
list.addEventListener("wheel", (event) => {
  if (!event.ctrlKey || !selected) return;
  event.preventDefault();
  const box = ticks.getBoundingClientRect();
  const [from, to] = selected.trace.view;
  const around = from + (to - from) * clamp((event.clientX - box.left) / box.width, 0, 1);
  scale(event.deltaY > 0 ? 1.25 : 0.8, around);
}, { passive: false });
query.addEventListener("input", search);
list.addEventListener("scroll", draw, { passive: true });
addEventListener("resize", () => arrange());
addEventListener("hashchange", followAddress);
let size = ""; // of the list, when it was last drawn
new ResizeObserver(() => {
  const now = `${list.clientWidth} ${list.clientHeight}`;
  if (now !== size) redraw();
  size = now;
}).observe(list);
for (const feature of ["(prefers-color-scheme: dark)", "(forced-colors: active)"])
  matchMedia(feature).addEventListener("change", () => {
    drawnMap = ""; // the list has its colours from the style
    drawMap();
  });

const quoted = (service) => (/[\s"]/.test(service) ? `"${service.replaceAll('"', "")}"` : service);
const chips = some(services.map((service, index) => [service, index]), ([service, index]) =>
  colored(element("button", [element("span", [], { className: "dot" }), cut(service, LONGEST_NAME)],
    { className: "chip", title: `Only the spans of ${cut(service, LONGEST_NAME)}`,
      onclick: () => searchFor(toggled(query.value, `service=${quoted(service)}`)) }), index));
const errors = traces.reduce((sum, trace) => sum + trace.errors, 0);
if (errors) chips.unshift(element("button", `✗ ${counted(errors, "error")}`,
  { className: "chip bad", title: "Go to the next error", onclick: () => next(failed) }));
find("legend").replaceChildren(...chips);

const sorting = find("sort");
sorting.addEventListener("change", () => {
  order = inOrder(sorting.value);
  arrange(selected);
});
find("unzoom").onclick = () => zoomTo(selected.trace, 0, selected.trace.length);
find("about-trace").onclick = () => select(selected.trace.item, true);
find("show-help").onclick = () => help.showModal();
find("close-help").onclick = () => help.close();
find("show-all").onclick = () => {
  searchFor("");
  list.focus();
};

document.body.classList.add("ready");
document.body.classList.toggle("many", traces.length > 1);
for (const part of document.querySelectorAll("[data-live]")) part.hidden = !items.length;
find("sorted").hidden = traces.length < 2;
find("sorted").firstElementChild.textContent = counted(traces.length, "trace");
// On a narrow screen few rows are in sight: those that failed come first.
if (traces.length > MANY && matchMedia("(max-width: 40rem)").matches) sorting.value = "errors";
order = inOrder(sorting.value);
selected = order.length ? order[0].item : null;
arrange();
size = `${list.clientWidth} ${list.clientHeight}`;
list.focus({ preventScroll: true });
followAddress();
