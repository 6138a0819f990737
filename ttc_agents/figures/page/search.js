/* Branching: a best-first search over pins, as ttc_agents/inference/search.py has it.
 *
 * A board is a puzzle with pins: nodes that are fixed to a choice as if they were given. The most
 * promising board is refined next. If it is not accepted, a doubtful node is pinned to each of its
 * choices. The answer of a sure board is doubted before it is accepted: a random part of it is
 * given to the network, which has to come back to the same answer. Only this choice is random, and
 * differs from Python's.
 */
"use strict";

const SEARCH = {
  steps: 32,
  checkEvery: 8,
  possible: 1e-3,
  floor: 1e-6,
  sure: 0.98,
  doubts: 3,
  doubted: 0.2,
  tension: 4,
  pin: 2,
  slack: 1e-3,
  keep: 4096,
};

/* Refine one board until it is sure or has had its steps.
 *
 * Returns {answer, confidence, probability, steps, alive, tension}; a board that leaves a node
 * without a choice is not alive.
 */
function refineBoard(network, givens) {
  const { nodes, choices } = network;
  const context = encode(network, givens);
  const possible = Uint8Array.from(context.given);
  for (const code of context.rows) possible[code] = 1;
  for (let node = 0; node < nodes; node++) {
    if (!possible.subarray(node * choices, (node + 1) * choices).some(Boolean))
      return {
        ...decide(new Float64Array(nodes * choices), givens, choices),
        probability: new Float64Array(nodes * choices),
        steps: 0,
        alive: false,
        tension: 0,
      };
  }
  let state = initialState(network, context),
    taken = 0,
    probability,
    seen,
    least;
  do {
    const stride = Math.min(SEARCH.checkEvery, SEARCH.steps - taken);
    for (let i = 0; i < stride; i++) state = step(network, context, state).state;
    taken += stride;
    probability = softmax(readout(network, context, state), choices);
    for (let code = 0; code < probability.length; code++) probability[code] *= possible[code];
    seen = decide(probability, givens, choices);
    least = Math.min(...seen.confidence);
  } while (least < SEARCH.sure && taken < SEARCH.steps);
  return {
    ...seen,
    probability,
    steps: taken,
    alive: true,
    least,
    tension: tensionOf(network, probability, givens),
  };
}

/* How far probabilities are from one member of each group, per free node. */
function tensionOf(network, probability, givens) {
  const belief = Float64Array.from(probability);
  let free = 0;
  for (let node = 0; node < network.nodes; node++) {
    if (givens[node] < 0) {
      free++;
      continue;
    }
    for (let c = 0; c < network.choices; c++) belief[node * network.choices + c] = c === givens[node] ? 1 : 0;
  }
  let total = 0;
  for (const group of network.groups) {
    let held = 0;
    for (const code of group.members) held += belief[code];
    total += Math.abs(held - 1);
  }
  return total / Math.max(1, free);
}

/* The free node with the fewest possible choices, at least two; ties: the least confident. */
function doubtfulNode(network, board, givens) {
  let best = -1,
    fewest = Infinity,
    least = Infinity,
    last = -1,
    lowest = Infinity;
  for (let node = 0; node < network.nodes; node++) {
    if (givens[node] >= 0) continue;
    let count = 0;
    for (let c = 0; c < network.choices; c++)
      if (board.probability[node * network.choices + c] > SEARCH.possible) count++;
    const sure = board.confidence[node];
    if (sure < lowest) {
      lowest = sure;
      last = node;
    }
    if (count > 1 && (count < fewest || (count === fewest && sure < least))) {
      best = node;
      fewest = count;
      least = sure;
    }
  }
  return best < 0 ? last : best;
}

/* The boards that pin one more node of a visited board, one for each of its choices. */
function childrenOf(network, parent, number, first) {
  const free = parent.givens.reduce((count, given) => count + (given < 0), 0);
  if (!parent.alive || !free) return [];
  const pins = parent.givens.length - free;
  const evidence = SEARCH.tension * (1 - parent.tension / Math.max(first, SEARCH.slack)) - SEARCH.pin * pins;
  const node = doubtfulNode(network, parent, parent.givens);
  const boards = [];
  for (let c = 0; c < network.choices; c++) {
    const p = parent.probability[node * network.choices + c];
    if (p <= 0) continue;
    const givens = Array.from(parent.givens);
    givens[node] = c;
    const chance = parent.chance + Math.log(Math.max(p, SEARCH.floor));
    boards.push({ givens, parent: number, pin: [node, c], chance, priority: chance + evidence });
  }
  return boards;
}

/* Whether the network comes back to the answer of a board from random parts of it. */
function stands(network, givens, board, random) {
  const free = [];
  givens.forEach((given, node) => {
    if (given < 0) free.push(node);
  });
  const count = Math.max(1, Math.round(SEARCH.doubted * free.length));
  let steps = 0,
    same = true;
  for (let i = 0; i < SEARCH.doubts; i++) {
    const part = Array.from(givens),
      left = free.slice();
    for (let j = 0; j < count; j++) {
      const [node] = left.splice(Math.floor(random() * left.length), 1);
      part[node] = board.answer[node];
    }
    const seen = refineBoard(network, part);
    steps += seen.steps;
    same =
      same &&
      seen.alive &&
      seen.least >= SEARCH.sure &&
      seen.answer.every((choice, node) => choice === board.answer[node]);
  }
  return { same, steps };
}

/* Search within a budget of steps; `show` is told of each visited board, until it returns false. */
function search(network, givens, budget, show, random = Math.random) {
  let waiting = [{ givens: Array.from(givens), parent: null, pin: null, chance: 0, priority: 0 }];
  let used = 0,
    visited = 0,
    first = 0;
  while (waiting.length && used + SEARCH.steps <= budget) {
    const board = waiting.shift();
    Object.assign(board, refineBoard(network, board.givens));
    used += board.steps;
    if (!visited) first = board.tension;
    board.fate = board.alive ? "open" : "dropped";
    const number = visited++;
    const sure = board.alive && board.least >= SEARCH.sure;
    const affordable = used + SEARCH.doubts * SEARCH.steps <= budget;
    if (sure && affordable) {
      const doubt = stands(network, givens, board, random);
      used += doubt.steps;
      board.fate = doubt.same ? "accepted" : "refused";
    }
    if (show({ ...board, used, waiting: waiting.length }) === false) return;
    if (board.fate === "accepted" || (sure && !affordable)) return;
    waiting.push(...childrenOf(network, board, number, first));
    waiting.sort((a, b) => b.priority - a.priority);
    waiting = waiting.slice(0, SEARCH.keep);
  }
}
