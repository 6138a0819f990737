/* A map with the path that an answer gives. */
"use strict";

function mapDrawing(set, instance) {
  const view = instance.view;
  const used = new Set([...view.roads.flat(), ...view.best, view.source, view.target]);
  const shown = [...used].map((place) => view.points[place]);
  const xs = shown.map(([x]) => x),
    ys = shown.map(([, y]) => y);
  const [left, top] = [Math.min(...xs) - 40, Math.min(...ys) - 30];
  const [wide, high] = [Math.max(...xs) - left + 40, Math.max(...ys) - top + 30];
  const svg = shape("svg", { viewBox: `${left} ${top} ${wide} ${high}`, class: "picture map", role: "img" });
  const road = new Set(view.roads.map(([a, b]) => `${a},${b}`));
  const isRoad = (a, b) =>
    view.onward !== null || !road.size || road.has(`${a},${b}`) || road.has(`${b},${a}`);
  const line = (a, b, name) =>
    shape("line", {
      x1: view.points[a][0],
      y1: view.points[a][1],
      x2: view.points[b][0],
      y2: view.points[b][1],
      class: name,
    });
  for (const [a, b] of view.roads) svg.append(line(a, b, "road"));
  for (let i = 1; i < view.best.length; i++) svg.append(line(view.best[i - 1], view.best[i], "best"));
  const layer = shape("g");
  svg.append(layer);
  for (const place of used)
    svg.append(
      shape("circle", { cx: view.points[place][0], cy: view.points[place][1], r: 3, class: "place" }),
    );
  for (const [place, name] of [
    [view.source, "source"],
    [view.target, "target"],
  ]) {
    const [x, y] = view.points[place];
    const start = x > left + 0.6 * wide;
    svg.append(shape("circle", { cx: x, cy: y, r: 8, class: name }));
    svg.append(
      shape("text", {
        x: start ? x - 12 : x + 12,
        y: y + 5,
        class: "name",
        "text-anchor": start ? "end" : "start",
        text: view.names[place],
      }),
    );
  }

  function update(frame) {
    layer.replaceChildren();
    const jumps = view.onward ? followed(view, frame.answer) : listed(view, frame.answer);
    if (view.onward) {
      view.onward.forEach((to, place) => {
        const choice = frame.answer[place];
        if (place !== view.target && choice >= 0 && to[choice] >= 0)
          layer.append(hop(view, place, to[choice], frame.confidence?.[place]));
      });
    }
    let illegal = 0;
    for (const [a, b, node] of jumps) {
      const legal = isRoad(a, b);
      illegal += !legal;
      const drawn = line(a, b, legal ? "jump" : "jump illegal");
      if (legal && frame.confidence) drawn.style.stroke = pathColour(frame.confidence[node]);
      layer.append(drawn);
    }
    const end = jumps.length ? jumps[jumps.length - 1][1] : view.source;
    const words = frame.solved
      ? `A shortest path: ${plural(jumps.length, "jump")}.`
      : `${plural(jumps.length, "jump")}${illegal ? `, ${illegal} without a road` : ""}; ` +
        (end === view.target ? "arrives, but not by a shortest path." : "does not arrive.");
    svg.setAttribute("aria-label", `${view.names[view.source]} to ${view.names[view.target]}. ${words}`);
    return words;
  }
  return { element: svg, update, overlay: null };
}

/* Darker than the tints of cells, since lines are thin. */
function pathColour(p) {
  return p < 0.5 ? "var(--low)" : p < 0.9 ? "var(--middle)" : "var(--high)";
}

/* The first part of a hop off the path. */
function hop(view, a, b, sure) {
  const [[x1, y1], [x, y]] = [view.points[a], view.points[b]];
  const drawn = shape("line", { x1, y1, x2: x1 + 0.45 * (x - x1), y2: y1 + 0.45 * (y - y1), class: "hop" });
  if (sure !== undefined) drawn.style.stroke = pathColour(sure);
  return drawn;
}

/* [from, to, node] along the hops from the source: to the target, a dead end, or once round a loop. */
function followed(view, answer) {
  const jumps = [],
    seen = new Set([view.source]);
  let place = view.source;
  while (place !== view.target) {
    const next = answer[place] < 0 ? -1 : view.onward[place][answer[place]];
    if (next < 0) break;
    jumps.push([place, next, place]);
    if (seen.has(next)) break;
    seen.add(next);
    place = next;
  }
  return jumps;
}

/* [from, to, node] of places that are written down; staying at the target is no jump. */
function listed(view, answer) {
  const jumps = [];
  let before = -1;
  answer.forEach((place, node) => {
    if (place < 0) return;
    if (before >= 0 && !(before === place && place === view.target)) jumps.push([before, place, node]);
    before = place;
  });
  return jumps;
}
