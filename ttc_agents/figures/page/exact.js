/* An exact look at a puzzle: whether it has no solution, one, or several.
 *
 * Depth-first search over the groups of which exactly one member holds: the group with the fewest
 * members left comes first. The network is told nothing of what is found here.
 */
"use strict";

const MOST_BRANCHES = 20000;

/* 0, 1 or 2 (for several); null where the search was given up. */
function countSolutions(network, givens) {
  const { groups, groupsOf, choices } = network;
  const open = new Uint8Array(groupsOf.length).fill(1),
    done = new Uint8Array(groups.length);
  let found = 0,
    branches = 0;

  /* Let a choice hold: no other member of its groups may; false where it is not open itself. */
  function hold(code, open, done) {
    if (!open[code]) return false;
    for (const g of groupsOf[code]) {
      done[g] = 1;
      for (const other of groups[g].members) open[other] = 0;
    }
    return true;
  }

  function descend(open, done) {
    if (++branches > MOST_BRANCHES) return;
    let best = -1,
      fewest = Infinity;
    for (let g = 0; g < groups.length && fewest > 1; g++) {
      if (done[g]) continue;
      let count = 0;
      for (const code of groups[g].members) count += open[code];
      if (count < fewest) {
        fewest = count;
        best = g;
      }
    }
    if (best < 0) {
      found++;
      return;
    }
    for (const code of groups[best].members) {
      if (!open[code] || found > 1) continue;
      const nextOpen = open.slice(),
        nextDone = done.slice();
      hold(code, nextOpen, nextDone);
      descend(nextOpen, nextDone);
    }
  }

  for (let node = 0; node < givens.length; node++)
    if (givens[node] >= 0 && !hold(node * choices + givens[node], open, done)) return 0;
  descend(open, done);
  return found > 1 ? 2 : branches > MOST_BRANCHES ? null : found;
}
