/* Runs the network of the page of `ttc watch` under Node, for scripts/page_parity.py.
 *
 * node scripts/page_parity.js NETWORK.JS < REQUEST > LOGITS
 *
 * REQUEST is JSON: {network: {nodes, choices, groups, weights: {name: [numbers]}}, puzzles: [[choice or -1]],
 * steps}. LOGITS are doubles, (puzzles, steps, nodes * choices). The last line on stderr has the milliseconds
 * of each puzzle, as JSON.
 */
"use strict";

const fs = require("node:fs");
const vm = require("node:vm");

vm.runInThisContext(fs.readFileSync(process.argv[2], "utf8"), { filename: process.argv[2] });

const { network: described, puzzles, steps } = JSON.parse(fs.readFileSync(0, "utf8"));
for (const [name, values] of Object.entries(described.weights)) described.weights[name] = Float32Array.from(values);
const network = makeNetwork(described, Number.EPSILON);
const size = described.nodes * described.choices;
const milliseconds = [];
for (const givens of puzzles) {
  const out = new Float64Array(steps * size);
  const begun = performance.now();
  refine(network, givens, steps, ({ step, logits }) => out.set(logits, (step - 1) * size));
  milliseconds.push(performance.now() - begun);
  fs.writeSync(1, new Uint8Array(out.buffer));
}
process.stderr.write(JSON.stringify(milliseconds) + "\n");
