/* The worker: refines off the page's own thread, and posts what came of each step.
 *
 * Messages in:  {network} once; {givens, think, steps} to begin.
 * Messages out: {solutions: 0, 1, 2 or null} first, then {frames: [...]} in batches, the last one
 * with {done: milliseconds}. A puzzle without a solution is not refined. A job is stopped by ending
 * the worker.
 */
"use strict";

const FLUSH_MS = 80; // the page is told about 12 times a second
const WARM_STEPS = 8;
let network = null;

self.onmessage = ({ data }) => {
  if (data.network) {
    network = makeNetwork(data.network);
    // A few steps on an empty puzzle, so that the code is compiled when the first puzzle comes.
    refine(network, new Int16Array(network.nodes).fill(-1), WARM_STEPS, () => true);
    return;
  }
  const { givens, think, steps } = data;
  const solutions = countSolutions(network, givens);
  self.postMessage({ solutions });
  if (solutions === 0) return;
  const begun = performance.now();
  let waiting = [],
    told = begun;
  const tell = (frame) => {
    waiting.push(frame);
    if (performance.now() - told < FLUSH_MS) return;
    self.postMessage({ frames: waiting });
    waiting = [];
    told = performance.now();
  };
  if (think === "branch") {
    search(network, givens, steps, ({ answer, confidence, parent, pin, fate, used, least, alive }) =>
      tell({
        step: used,
        answer,
        confidence: alive ? confidence : null,
        residual: null,
        board: { parent, pin, fate, least: alive ? least : null },
      }),
    );
  } else {
    refine(network, givens, steps, ({ step, answer, confidence, residual }) =>
      tell({ step, answer, confidence, residual }),
    );
  }
  self.postMessage({ frames: waiting, done: performance.now() - begun });
};
