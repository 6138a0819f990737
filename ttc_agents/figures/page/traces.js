/* Curves of residual and mean confidence against the step, one line per run. */
"use strict";

const STYLES = ["none", "7 4", "2 3", "10 3 2 3"]; // dashes, so that colour is not all that tells

/* {element, draw(runs), mark(step)}; a run is {title, frames}. */
function traces() {
  const charts = [
    chart(
      "Residual",
      "relative change of the state, logarithmic",
      (frame) => (frame.residual > 0 ? Math.log10(frame.residual) : null),
      [-6, 0.5],
      (y) => `1e${y}`,
      [-6, -4, -2, 0],
    ),
    chart(
      "Confidence",
      "mean over the nodes",
      (frame) => (frame.confidence ? mean(frame.confidence) : null),
      [0, 1],
      percent,
      [0, 0.5, 1],
    ),
  ];
  const legend = make("ul", { class: "legend" });
  const element = make("div", { class: "traces" }, [...charts.map((c) => c.element), legend]);
  return {
    element,
    draw(runs) {
      const last = Math.max(1, ...runs.flatMap((run) => run.frames.map((frame) => frame.step)));
      for (const c of charts) c.draw(runs, last);
      legend.replaceChildren(
        ...runs.map((run, i) => make("li", {}, [swatch(i), document.createTextNode(run.title)])),
      );
    },
    mark(step) {
      for (const c of charts) c.mark(step);
    },
  };
}

function lineStyle(i) {
  return { stroke: `var(--line-${i % 6})`, "stroke-dasharray": STYLES[i % STYLES.length] };
}

function swatch(i) {
  return shape("svg", { viewBox: "0 0 30 8", class: "swatch", "aria-hidden": "true" }, [
    shape("line", { x1: 0, y1: 4, x2: 30, y2: 4, class: "curve", ...lineStyle(i) }),
  ]);
}

function chart(title, what, value, [low, high], label, ticks) {
  const [left, right, top, bottom] = [46, 392, 10, 120];
  const svg = shape("svg", { viewBox: "0 0 400 146", role: "img", class: "chart" });
  const caption = make("figcaption", { text: `${title} (${what})` });
  const element = make("figure", {}, [caption, svg]);
  let last = 1;
  const x = (step) => left + ((right - left) * step) / last;
  const y = (v) => bottom - ((bottom - top) * (Math.min(high, Math.max(low, v)) - low)) / (high - low);
  const cursor = shape("line", { y1: top, y2: bottom, class: "cursor" });
  return {
    element,
    draw(runs, steps) {
      last = steps;
      const grid = ticks.flatMap((tick) => [
        shape("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "tick" }),
        shape("text", {
          x: left - 6,
          y: y(tick) + 4,
          "text-anchor": "end",
          class: "tick",
          text: label(tick),
        }),
      ]);
      const ends = [0, last].map((step) =>
        shape("text", {
          x: x(step),
          y: bottom + 18,
          "text-anchor": step ? "end" : "start",
          class: "tick",
          text: `step ${step}`,
        }),
      );
      const lines = runs.map((run, i) =>
        shape("polyline", {
          class: "curve",
          ...lineStyle(i),
          points: run.frames
            .filter((f) => value(f) !== null)
            .map((f) => `${x(f.step)},${y(value(f))}`)
            .join(" "),
        }),
      );
      // A search has a few boards with steps between them.
      const dots = runs.flatMap((run, i) =>
        (run.tree ? run.frames : [])
          .filter((f) => value(f) !== null)
          .map((f) =>
            shape("circle", { cx: x(f.step), cy: y(value(f)), r: 2.5, fill: `var(--line-${i % 6})` }),
          ),
      );
      svg.replaceChildren(...grid, ...ends, ...lines, ...dots, cursor);
      const said = runs
        .map((run) => {
          const known = run.frames.filter((f) => value(f) !== null);
          return known.length
            ? `${run.title}: from ${label(rounded(value(known[0])))} to ${label(rounded(value(known[known.length - 1])))}`
            : "";
        })
        .filter(Boolean);
      svg.setAttribute("aria-label", `${title} over ${plural(last, "step")}. ${said.join("; ")}`);
    },
    mark(step) {
      setAll(cursor, { x1: x(step), x2: x(step) });
    },
  };
}

function rounded(value) {
  return Math.round(100 * value) / 100;
}
