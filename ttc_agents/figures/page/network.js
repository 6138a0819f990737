/* A factor-graph network, as ttc_agents/models/factor_graph_network.py has it, in plain JavaScript.
 *
 * The file defines functions only and touches no document, so the page, its worker and a test under
 * Node can all run it. Numbers are kept in double precision; PyTorch rounds to single precision
 * after each operation, which is where the two differ.
 *
 * Shapes: N nodes, C choices, V = N * C, R open choices, K kinds of group, H width, U message,
 * Z hidden. A choice is written as one code, node * C + choice.
 */
"use strict";

const CERTAIN = 20; // logit of a given choice, and minus that of an excluded one
const MESSAGE_SCALE = 1 / 3;
const NORM_EPSILON = 1.1920928955078125e-7; // of torch.nn.functional.rms_norm in float32

/* What the network needs, from plain data; `epsilon` is what its norm adds to a mean of squares.
 *
 * described: {nodes, choices, groups: [{kind, members: [[code, ...], ...]}], weights: {name: array}}
 */
function makeNetwork(described, epsilon = NORM_EPSILON) {
  const { nodes, choices, weights } = described;
  const kinds = described.groups.length;
  const groups = [];
  described.groups.forEach((group, kind) =>
    group.members.forEach((members) => groups.push({ kind, members })),
  );
  const groupsOf = Array.from({ length: nodes * choices }, () => []);
  groups.forEach((group, g) => group.members.forEach((code) => groupsOf[code].push(g)));
  const width = weights.to_logit.length;
  const hidden = weights.bias.length;
  const message = weights.to_message.length / width / kinds;
  return {
    nodes,
    choices,
    kinds,
    groups,
    groupsOf,
    width,
    hidden,
    message,
    epsilon,
    start: Float64Array.from(weights.start),
    bias: Float64Array.from(weights.bias),
    toLogit: Float64Array.from(weights.to_logit),
    // Transposed, so that each output is a dot product of two contiguous rows.
    toMessage: transposed(weights.to_message, width, kinds * message),
    toHidden: transposed(weights.to_hidden, width, hidden),
    toUpdate: transposed(weights.to_update, hidden, width),
    fromGroup: Array.from({ length: kinds }, (_, k) =>
      transposed(
        weights.from_group.subarray(k * message * hidden, (k + 1) * message * hidden),
        message,
        hidden,
      ),
    ),
  };
}

function transposed(matrix, rows, columns) {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j];
  return out;
}

/* The graph of the choices that givens (N, -1 where free) leave open. */
function encode(network, givens) {
  const { nodes, choices, groups, groupsOf } = network;
  const given = new Uint8Array(nodes * choices);
  const hit = new Uint8Array(groups.length);
  for (let node = 0; node < nodes; node++) {
    if (givens[node] < 0) continue;
    const code = node * choices + givens[node];
    given[code] = 1;
    for (const g of groupsOf[code]) hit[g] = 1;
  }
  const rows = [];
  const rowOf = new Int32Array(nodes * choices).fill(-1);
  for (let code = 0; code < nodes * choices; code++) {
    const free = givens[Math.floor(code / choices)] < 0;
    if (free && groupsOf[code].every((g) => !hit[g])) {
      rowOf[code] = rows.length;
      rows.push(code);
    }
  }
  // Groups without an open member take no part. Those of a kind begin at a multiple of four.
  const number = new Int32Array(groups.length).fill(-1);
  const used = [],
    parts = Array.from({ length: network.kinds }, () => [0, 0]);
  groups.forEach((group, g) => {
    const members = group.members.map((code) => rowOf[code]).filter((row) => row >= 0);
    if (!members.length) return;
    if (!parts[group.kind][1]) {
      while (used.length % 4) used.push({ kind: group.kind, members: [] });
      parts[group.kind][0] = used.length;
    }
    parts[group.kind][1]++;
    number[g] = used.length;
    used.push({ kind: group.kind, members: Int32Array.from(members) });
  });
  // Where the answers of the groups of each row begin.
  const heard = rows.map((code) => Int32Array.from(groupsOf[code], (g) => number[g] * network.hidden));
  const space = (count, size) => new Float64Array(four(count) * size);
  return {
    givens,
    given,
    rows,
    groups: used,
    parts,
    heard,
    messages: space(rows.length, network.kinds * network.message),
    sums: space(used.length, network.message),
    answers: space(used.length, network.hidden),
    inner: space(rows.length, network.hidden),
    updates: space(rows.length, network.width),
  };
}

/* (R * H) the first state: the same unit vector at every open choice. */
function initialState(network, context) {
  const state = new Float64Array(four(context.rows.length) * network.width);
  for (let r = 0; r < context.rows.length; r++) state.set(network.start, r * network.width);
  return state;
}

/* out (rows, outputs) = x (rows, size) times a transposed matrix (outputs, size).
 *
 * Four rows and two outputs at a time, whose eight sums stay in registers. Buffers have room for a
 * multiple of four rows.
 */
function multiply(matrix, x, out, rows, size, outputs, first = 0) {
  for (let row = first; row < first + rows; row += 4) {
    const x0 = row * size,
      x1 = x0 + size,
      x2 = x1 + size,
      x3 = x2 + size;
    for (let o = 0; o < outputs; o += 2) {
      let a0 = 0,
        a1 = 0,
        b0 = 0,
        b1 = 0,
        c0 = 0,
        c1 = 0,
        d0 = 0,
        d1 = 0;
      const m0 = o * size,
        m1 = m0 + size;
      for (let i = 0; i < size; i++) {
        const u = matrix[m0 + i],
          v = matrix[m1 + i];
        const a = x[x0 + i],
          b = x[x1 + i],
          c = x[x2 + i],
          d = x[x3 + i];
        a0 += a * u;
        a1 += a * v;
        b0 += b * u;
        b1 += b * v;
        c0 += c * u;
        c1 += c * v;
        d0 += d * u;
        d1 += d * v;
      }
      const at = row * outputs + o;
      out[at] = a0;
      out[at + 1] = a1;
      out[at + outputs] = b0;
      out[at + outputs + 1] = b1;
      out[at + 2 * outputs] = c0;
      out[at + 2 * outputs + 1] = c1;
      out[at + 3 * outputs] = d0;
      out[at + 3 * outputs + 1] = d1;
    }
  }
}

/* The next multiple of four. */
function four(count) {
  return (count + 3) & ~3;
}

/* One refinement step: a new state, and the residual |z_t - z_{t-1}| / |z_t|. */
function step(network, context, state) {
  const { width, hidden, message, kinds } = network;
  const { messages, sums, answers, inner, updates } = context;
  const count = context.rows.length,
    sent = kinds * message;

  multiply(network.toMessage, state, messages, count, width, sent);
  sums.fill(0);
  context.groups.forEach(({ kind, members }, g) => {
    const to = g * message;
    for (const row of members) {
      const from = row * sent + kind * message;
      for (let i = 0; i < message; i++) if (messages[from + i] > 0) sums[to + i] += messages[from + i];
    }
    for (let i = 0; i < message; i++) sums[to + i] *= MESSAGE_SCALE;
  });
  context.parts.forEach(([first, size], kind) =>
    multiply(network.fromGroup[kind], sums, answers, size, message, hidden, first),
  );

  multiply(network.toHidden, state, inner, count, width, hidden);
  for (let r = 0; r < count; r++) {
    const to = r * hidden,
      groups = context.heard[r],
      heard = groups.length;
    for (let i = 0; i < hidden; i++) {
      let z = inner[to + i] + network.bias[i];
      for (let j = 0; j < heard; j++) z += answers[groups[j] + i];
      inner[to + i] = z / (1 + Math.exp(-z)); // silu
    }
  }
  multiply(network.toUpdate, inner, updates, count, hidden, width);
  return normalised(network, context, state);
}

/* The state with the updates added, each row at unit size. */
function normalised(network, context, state) {
  const { width } = network,
    { updates } = context;
  const next = new Float64Array(state.length);
  let moved = 0,
    size = 0;
  for (let first = 0; first < context.rows.length * width; first += width) {
    let square = 0;
    for (let i = first; i < first + width; i++) {
      updates[i] += state[i];
      square += updates[i] * updates[i];
    }
    const scale = 1 / Math.sqrt(square / width + network.epsilon);
    for (let i = first; i < first + width; i++) {
      next[i] = updates[i] * scale;
      moved += (next[i] - state[i]) * (next[i] - state[i]);
      size += next[i] * next[i];
    }
  }
  return { state: next, residual: size ? Math.sqrt(moved / size) : 0 };
}

/* (V) logits of a state. */
function readout(network, context, state) {
  const { width, toLogit } = network;
  const logits = new Float64Array(network.nodes * network.choices);
  for (let code = 0; code < logits.length; code++) logits[code] = context.given[code] ? CERTAIN : -CERTAIN;
  context.rows.forEach((code, r) => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += state[r * width + i] * toLogit[i];
    logits[code] = sum;
  });
  return logits;
}

/* (V) probabilities of the choices of each node. */
function softmax(logits, choices) {
  const out = new Float64Array(logits.length);
  for (let first = 0; first < logits.length; first += choices) {
    let most = -Infinity,
      total = 0;
    for (let c = 0; c < choices; c++) most = Math.max(most, logits[first + c]);
    for (let c = 0; c < choices; c++) total += out[first + c] = Math.exp(logits[first + c] - most);
    for (let c = 0; c < choices; c++) out[first + c] /= total;
  }
  return out;
}

/* The likeliest choice of each node, givens kept, and its probability (1 at givens). */
function decide(probability, givens, choices) {
  const answer = Int16Array.from(givens);
  const confidence = new Float64Array(givens.length).fill(1);
  for (let node = 0; node < givens.length; node++) {
    if (givens[node] >= 0) continue;
    let best = 0;
    for (let c = 1; c < choices; c++)
      if (probability[node * choices + c] > probability[node * choices + best]) best = c;
    answer[node] = best;
    confidence[node] = probability[node * choices + best];
  }
  return { answer, confidence };
}

/* Numbers of the groups of which not exactly one member holds. */
function broken(groups, answer, choices) {
  const found = [];
  groups.forEach((group, g) => {
    const held = group.members.filter((code) => answer[Math.floor(code / choices)] === code % choices);
    if (held.length !== 1) found.push({ group: g, held });
  });
  return found;
}

/* One trajectory: calls `show` with each step, until it returns false. */
function refine(network, givens, steps, show) {
  const context = encode(network, givens);
  let state = initialState(network, context);
  for (let count = 1; count <= steps; count++) {
    const moved = step(network, context, state);
    state = moved.state;
    const logits = readout(network, context, state);
    const seen = decide(softmax(logits, network.choices), givens, network.choices);
    if (show({ step: count, residual: moved.residual, logits, ...seen }) === false) return;
  }
}
