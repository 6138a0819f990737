/* Pictures of answers. `drawing(set, instance, run)` gives {element, update(frame, pins) -> words},
 * for a grid of cells, a map with paths, or bars in order, as `Task.view` says.
 */
"use strict";

function drawing(set, instance, run) {
  const kinds = { grid: gridDrawing, map: mapDrawing, bars: barDrawing };
  return kinds[instance.view.kind](set, instance, run);
}

function barDrawing(set, instance) {
  const values = instance.view.values;
  const wide = 640 / values.length;
  const svg = shape("svg", { viewBox: "0 0 640 300", class: "picture bars", role: "img" });
  const bars = values.map((_, place) =>
    shape("rect", { x: place * wide + wide * 0.08, width: wide * 0.84, rx: 3 }),
  );
  const marks = values.slice(1).map((_, place) =>
    shape("path", {
      d: `M ${(place + 1) * wide - 6} 290 h 12 l -6 -10 z`,
      class: "mark",
    }),
  );
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
    const words = frame.solved
      ? "Sorted."
      : `${plural(descents, "neighbour pair")} in the wrong order` +
        (missing ? `, ${plural(missing, "item")} left out.` : ".");
    svg.setAttribute(
      "aria-label",
      `${words} ${shown.map((v) => (v === null ? "none" : v.toFixed(2))).join(", ")}`,
    );
    return words;
  }
  return { element: svg, update, overlay: null };
}
