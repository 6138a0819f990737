/* The tree of a search: a button per board, indented below the board that it was branched from. */
"use strict";

const FATES = {
  open: "not sure",
  dropped: "contradiction",
  refused: "sure, then doubted",
  accepted: "accepted",
};

/* The pins of a board, [node, choice] each, the first one first. */
function pinsOf(boards, number) {
  const pins = [];
  for (let board = boards[number]; board && board.pin; board = boards[board.parent]) pins.unshift(board.pin);
  return pins;
}

/* {element, mark(number)}; `choose(number)` is called when the reader picks a board. */
function treeList(boards, cellName, symbols, choose) {
  const children = new Map();
  boards.forEach((board, number) => {
    const above = board.parent ?? -1;
    children.set(above, [...(children.get(above) ?? []), number]);
  });
  const buttons = [];
  const list = (above) =>
    make(
      "ul",
      {},
      (children.get(above) ?? []).map((number) => {
        const board = boards[number];
        const pin = board.pin ? `${cellName(board.pin[0])} = ${symbols[board.pin[1]]}` : "the puzzle";
        const sure =
          board.least === null || board.least === undefined
            ? ""
            : `, least confidence ${percent(board.least)}`;
        const button = make("button", {
          type: "button",
          class: `board ${board.fate}`,
          text: `${number + 1}. ${pin}: ${FATES[board.fate]}${sure}`,
        });
        button.addEventListener("click", () => choose(number));
        buttons[number] = button;
        return make("li", {}, [button, ...(children.has(number) ? [list(number)] : [])]);
      }),
    );
  const element = make("div", { class: "tree" }, [list(-1)]);
  return {
    element,
    mark(number) {
      buttons.forEach((button, i) => {
        button.classList.toggle("now", i === number);
        button.setAttribute("aria-pressed", i === number);
      });
    },
  };
}
