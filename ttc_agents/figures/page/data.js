/* Reading what Python packed into the page, and what there is to know of the rules. */
"use strict";

const LEVELS = 90,
  FIRST = 35,
  BACKSLASH = 92; // as in ttc_agents/figures/replay.py

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/* The document of the page: {sets, live}. */
async function readDocument(base64) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/* Weights {name: base64} as {name: Float32Array}. */
function unpackedWeights(weights) {
  return Object.fromEntries(
    Object.entries(weights).map(([name, text]) => [name, new Float32Array(bytesOf(text).buffer)]),
  );
}

/* Frames of a replay: [{step, answer, confidence, changed, residual, solved, quality}]. */
function readFrames(columns, nodes) {
  let answer = new Int16Array(nodes).fill(-1);
  return columns.step.map((step, i) => {
    answer = Int16Array.from(answer);
    const changed = new Set();
    const changes = columns.changes[i];
    for (let j = 0; j < changes.length; j += 2) {
      answer[changes[j]] = changes[j + 1];
      if (i) changed.add(changes[j]);
    }
    return {
      step,
      answer,
      changed,
      confidence: readConfidence(columns.confidence[i]),
      residual: columns.residual[i],
      solved: columns.solved[i] === 1,
      quality: columns.quality[i],
    };
  });
}

function readConfidence(text) {
  if (!text) return null;
  return Float64Array.from(text, (character) => {
    const code = character.charCodeAt(0);
    return (code - FIRST - (code > BACKSLASH ? 1 : 0)) / LEVELS;
  });
}

/* The groups one after the other, each with a name such as "row 3" and what it is about. */
function namedGroups(described, choices, symbols) {
  const named = [];
  for (const { kind, members } of described) {
    const places = new Map();
    for (const codes of members) {
      const nodes = new Set(codes.map((code) => Math.floor(code / choices)));
      const key = [...nodes].join();
      if (!places.has(key)) places.set(key, places.size + 1);
      const values = new Set(codes.map((code) => code % choices));
      named.push({
        kind,
        members: codes,
        name: `${kind} ${places.get(key)}`,
        symbol: values.size === 1 ? symbols[codes[0] % choices] : null,
        alone: nodes.size === 1, // each node holds one choice: broken only while it is undecided
      });
    }
  }
  return named;
}

/* Broken rules in words, most telling first: what stands twice, then what is missing. */
function brokenRules(named, answer, choices) {
  const found = broken(named, answer, choices).filter(({ group }) => !named[group].alone);
  const clashes = found.filter(({ held }) => held.length > 1);
  const nodes = new Set(clashes.flatMap(({ held }) => held.map((c) => Math.floor(c / choices))));
  const words = clashes.map(({ group, held }) => {
    const times = held.length === 2 ? "twice" : `${held.length} times`;
    return `${named[group].name} holds ${named[group].symbol ?? "a choice"} ${times}`;
  });
  return { count: found.length, words, nodes };
}
