/* A grid of cells, with clashes, pins and the learned neighbours of a cell. */
"use strict";

const CELL = 40;

function gridDrawing(set, instance, run) {
  const cells = instance.view.cells;
  const given = new Set(instance.given);
  const rows = 1 + Math.max(...cells.map(([r]) => r)),
    columns = 1 + Math.max(...cells.map(([, c]) => c));
  const svg = shape("svg", {
    viewBox: `-3 -3 ${columns * CELL + 6} ${rows * CELL + 6}`,
    class: "picture grid",
    role: "img",
  });
  const size = set.symbols.some((symbol) => symbol.length > 1) ? 15 : 22;
  const parts = cells.map(([row, column], node) => {
    const box = shape("rect", { x: column * CELL, y: row * CELL, width: CELL, height: CELL, class: "cell" });
    const ring = shape("circle", {
      cx: (column + 0.5) * CELL,
      cy: (row + 0.5) * CELL,
      r: CELL * 0.42,
      class: "ring",
    });
    const text = shape("text", {
      x: (column + 0.5) * CELL,
      y: (row + 0.5) * CELL,
      "font-size": size,
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
      const colour = given.has(node)
        ? "var(--given)"
        : sure === null
          ? "var(--blank)"
          : confidenceColour(sure);
      box.style.fill = colour;
      text.classList.toggle("plain", sure === null && !given.has(node));
      box.classList.toggle("changed", frame.changed.has(node));
      box.classList.toggle("pinned", pins.has(node));
      ring.classList.toggle("shown", rules.nodes.has(node));
    });
    const blank = frame.answer.filter((choice) => choice < 0).length;
    const words = frame.solved
      ? "All rules hold."
      : blank
        ? `${plural(blank, "cell")} undecided.`
        : `${plural(rules.count, "rule")} broken` +
          (rules.words.length
            ? `: ${rules.words.slice(0, 3).join("; ")}${rules.words.length > 3 ? "; ..." : "."}`
            : ".");
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
    const right = at.get(`${r},${c + 1}`),
      below = at.get(`${r + 1},${c}`);
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
        layer.append(
          shape("circle", { cx: x2, cy: y2, r: 5, class: right.includes(other) ? "true" : "false" }),
        );
      }
      layer.append(shape("circle", { cx: x1, cy: y1, r: 9, class: "chosen" }));
      return (
        `Learned neighbours of row ${cells[node][0] + 1}, column ${cells[node][1] + 1}: ` +
        `${right.length} of ${drawn.length} share a rule with it.`
      );
    },
  };
}
