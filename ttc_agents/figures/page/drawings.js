/* Pictures of answers. `drawing(set, instance, run)` gives {element, update(frame, pins) -> words},
 * for a grid of cells, a map with paths, or bars in order, as `Task.view` says.
 */
"use strict";

function drawing(set, instance, run) {
  const kinds = { grid: gridDrawing, map: mapDrawing, bars: barDrawing };
  return kinds[instance.view.kind](set, instance, run);
}

// Grids

const CELL = 40;

function gridDrawing(set, instance, run) {
  const cells = instance.view.cells;
  const given = new Set(instance.given);
  const rows = 1 + Math.max(...cells.map(([r]) => r)), columns = 1 + Math.max(...cells.map(([, c]) => c));
  const svg = shape("svg", {
    viewBox: `-3 -3 ${columns * CELL + 6} ${rows * CELL + 6}`, class: "picture grid", role: "img",
  });
  const size = set.symbols.some((symbol) => symbol.length > 1) ? 15 : 22;
  const parts = cells.map(([row, column], node) => {
    const box = shape("rect", { x: column * CELL, y: row * CELL, width: CELL, height: CELL, class: "cell" });
    const ring = shape("circle", {
      cx: (column + 0.5) * CELL, cy: (row + 0.5) * CELL, r: CELL * 0.42, class: "ring",
    });
    const text = shape("text", {
      x: (column + 0.5) * CELL, y: (row + 0.5) * CELL, "font-size": size,
      class: given.has(node) ? "digit given" : "digit",
    });
    svg.append(shape("g", {}, [box, ring, text]));
    return { box, ring, text };
  });
  svg.append(...borders(set, cells, rows, columns));
  const overlay = graphOverlay(set, cells, run, svg);
  const named = namedGroups(set.groups, set.choices, set.symbols);

  function update(frame, pins = new Set()) {
    const rules = brokenRules(named, frame.answer, set.choices);
    parts.forEach(({ box, ring, text }, node) => {
      const choice = frame.answer[node];
      text.textContent = choice < 0 ? "" : set.symbols[choice];
      const sure = frame.confidence && choice >= 0 ? frame.confidence[node] : null;
      const colour = given.has(node) ? "var(--given)" : sure === null ? "var(--blank)" : confidenceColour(sure);
      box.style.fill = colour;
      text.classList.toggle("plain", sure === null && !given.has(node));
      box.classList.toggle("changed", frame.changed.has(node));
      box.classList.toggle("pinned", pins.has(node));
      ring.classList.toggle("shown", rules.nodes.has(node));
    });
    const blank = frame.answer.filter((choice) => choice < 0).length;
    const words = frame.solved ? "All rules hold." : blank ? `${plural(blank, "cell")} undecided.`
      : `${plural(rules.count, "rule")} broken` + (rules.words.length ? `: ${rules.words.slice(0, 3).join("; ")}${rules.words.length > 3 ? "; ..." : "."}` : ".");
    svg.setAttribute("aria-label", spoken(set, cells, frame, words));
    return words;
  }
  return { element: svg, update, overlay };
}

/* The answer row by row, for who cannot see it. */
function spoken(set, cells, frame, words) {
  const rows = [];
  cells.forEach(([row], node) => {
    const choice = frame.answer[node];
    (rows[row] ??= []).push(choice < 0 ? "blank" : set.symbols[choice]);
  });
  return `${words} ${rows.map((row, i) => `Row ${i + 1}: ${row.join(" ")}.`).join(" ")}`;
}

/* Thick lines around the grid and where neighbouring cells belong to different boxes.
 *
 * A box is a group whose cells are neither one row nor one column.
 */
function borders(set, cells, rows, columns) {
  const lines = [shape("rect", { x: 0, y: 0, width: columns * CELL, height: rows * CELL, class: "border" })];
  const boxOf = new Map();
  for (const { members } of set.groups) {
    members.forEach((codes) => {
      const nodes = [...new Set(codes.map((code) => Math.floor(code / set.choices)))];
      const several = (axis) => new Set(nodes.map((node) => cells[node][axis])).size > 1;
      if (several(0) && several(1)) nodes.forEach((node) => boxOf.set(node, nodes.join()));
    });
  }
  const at = new Map(cells.map(([r, c], node) => [`${r},${c}`, node]));
  cells.forEach(([r, c], node) => {
    const [x, y] = [c * CELL, r * CELL];
    const right = at.get(`${r},${c + 1}`), below = at.get(`${r + 1},${c}`);
    if (right !== undefined && boxOf.get(node) !== boxOf.get(right))
      lines.push(shape("line", { x1: x + CELL, y1: y, x2: x + CELL, y2: y + CELL, class: "border" }));
    if (below !== undefined && boxOf.get(node) !== boxOf.get(below))
      lines.push(shape("line", { x1: x, y1: y + CELL, x2: x + CELL, y2: y + CELL, class: "border" }));
  });
  return lines;
}

/* The graph that a model has learned: the neighbours of one cell, or null where there is none.
 *
 * Returns {show(node or null) -> words}: green lines lead to neighbours that the rules have too.
 */
function graphOverlay(set, cells, run, svg) {
  if (!run.graph) return null;
  const layer = shape("g", { class: "graph" });
  svg.append(layer);
  const middle = (node) => [(cells[node][1] + 0.5) * CELL, (cells[node][0] + 0.5) * CELL];
  const truth = (set.neighbours ?? []).map((nodes) => new Set(nodes));
  return {
    show(node) {
      layer.replaceChildren();
      if (node === null) return "";
      const [x1, y1] = middle(node);
      const drawn = run.graph[node].filter((other) => other !== node);
      const right = drawn.filter((other) => truth[node]?.has(other));
      for (const other of drawn) {
        const [x2, y2] = middle(other);
        layer.append(shape("line", { x1, y1, x2, y2, class: right.includes(other) ? "true" : "false" }));
        layer.append(shape("circle", { cx: x2, cy: y2, r: 5, class: right.includes(other) ? "true" : "false" }));
      }
      layer.append(shape("circle", { cx: x1, cy: y1, r: 9, class: "chosen" }));
      return `Learned neighbours of row ${cells[node][0] + 1}, column ${cells[node][1] + 1}: `
        + `${right.length} of ${drawn.length} share a rule with it.`;
    },
  };
}

// Maps

function mapDrawing(set, instance) {
  const view = instance.view;
  const used = new Set([...view.roads.flat(), ...view.best, view.source, view.target]);
  const shown = [...used].map((place) => view.points[place]);
  const xs = shown.map(([x]) => x), ys = shown.map(([, y]) => y);
  const [left, top] = [Math.min(...xs) - 40, Math.min(...ys) - 30];
  const [wide, high] = [Math.max(...xs) - left + 40, Math.max(...ys) - top + 30];
  const svg = shape("svg", { viewBox: `${left} ${top} ${wide} ${high}`, class: "picture map", role: "img" });
  const road = new Set(view.roads.map(([a, b]) => `${a},${b}`));
  const isRoad = (a, b) => view.onward !== null || !road.size || road.has(`${a},${b}`) || road.has(`${b},${a}`);
  const line = (a, b, name) => shape("line", {
    x1: view.points[a][0], y1: view.points[a][1], x2: view.points[b][0], y2: view.points[b][1], class: name,
  });
  for (const [a, b] of view.roads) svg.append(line(a, b, "road"));
  for (let i = 1; i < view.best.length; i++) svg.append(line(view.best[i - 1], view.best[i], "best"));
  const layer = shape("g");
  svg.append(layer);
  for (const place of used) svg.append(shape("circle", { cx: view.points[place][0], cy: view.points[place][1], r: 3, class: "place" }));
  for (const [place, name] of [[view.source, "source"], [view.target, "target"]]) {
    const [x, y] = view.points[place];
    const start = x > left + 0.6 * wide;
    svg.append(shape("circle", { cx: x, cy: y, r: 8, class: name }));
    svg.append(shape("text", { x: start ? x - 12 : x + 12, y: y + 5, class: "name", "text-anchor": start ? "end" : "start", text: view.names[place] }));
  }

  function update(frame) {
    layer.replaceChildren();
    const jumps = view.onward ? followed(view, frame.answer) : listed(view, frame.answer);
    if (view.onward) {
      view.onward.forEach((to, place) => {
        const choice = frame.answer[place];
        if (place !== view.target && choice >= 0 && to[choice] >= 0) layer.append(hop(view, place, to[choice], frame.confidence?.[place]));
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
    const words = frame.solved ? `A shortest path: ${plural(jumps.length, "jump")}.`
      : `${plural(jumps.length, "jump")}${illegal ? `, ${illegal} without a road` : ""}; `
        + (end === view.target ? "arrives, but not by a shortest path." : "does not arrive.");
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
  const jumps = [], seen = new Set([view.source]);
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

// Bars

function barDrawing(set, instance) {
  const values = instance.view.values;
  const wide = 640 / values.length;
  const svg = shape("svg", { viewBox: "0 0 640 300", class: "picture bars", role: "img" });
  const bars = values.map((_, place) => shape("rect", { x: place * wide + wide * 0.08, width: wide * 0.84, rx: 3 }));
  const marks = values.slice(1).map((_, place) => shape("path", {
    d: `M ${(place + 1) * wide - 6} 290 h 12 l -6 -10 z`, class: "mark",
  }));
  svg.append(...bars, ...marks);

  function update(frame) {
    const shown = values.map((_, place) => values[frame.answer[place]] ?? null);
    let descents = 0;
    bars.forEach((bar, place) => {
      const height = shown[place] === null ? 3 : 12 + 250 * shown[place];
      setAll(bar, { y: 275 - height, height });
      bar.style.fill = frame.confidence ? confidenceColour(frame.confidence[place]) : "var(--given)";
      bar.classList.toggle("changed", frame.changed.has(place));
    });
    marks.forEach((mark, place) => {
      const wrong = shown[place + 1] < shown[place];
      descents += wrong;
      mark.classList.toggle("shown", wrong);
    });
    const missing = values.length - new Set(frame.answer.slice(0, values.length)).size;
    const words = frame.solved ? "Sorted." : `${plural(descents, "neighbour pair")} in the wrong order`
      + (missing ? `, ${plural(missing, "item")} left out.` : ".");
    svg.setAttribute("aria-label", `${words} ${shown.map((v) => v === null ? "none" : v.toFixed(2)).join(", ")}`);
    return words;
  }
  return { element: svg, update, overlay: null };
}
