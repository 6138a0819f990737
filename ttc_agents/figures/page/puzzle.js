/* Reading a puzzle that was pasted: the plain layouts of `load_puzzles`.
 *
 * A line of N characters (alone, or a column of a table), or a grid with a row per line, with bars,
 * rules, brackets or commas between cells. Blank cells are 0 . _ * or x.
 */
"use strict";

const BLANKS = "0._*xX-?";

/* The first puzzle of a text: {givens: [choice or -1, ...]}, or {error: words}. */
function parsePuzzle(text, nodes, symbols) {
  const side = Math.round(Math.sqrt(nodes));
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith("#"));
  if (!lines.length) return { error: "there is nothing to read" };
  for (const line of lines) {
    for (const word of line.split(/[\s,;"']+/)) {
      const cells = cellsOf(word, symbols);
      if (cells && cells.length === nodes) return { givens: cells };
    }
  }
  const rows = lines.map((line) => rowOf(line, symbols, side)).filter((row) => row !== null);
  const cells = rows.flat();
  if (cells.length >= nodes) return { givens: cells.slice(0, nodes) };
  const wrong = lines
    .join("")
    .replace(/[\s|,;"'[\]+=]/g, "")
    .split("")
    .find((c) => !BLANKS.includes(c) && !symbols.includes(c.toUpperCase()));
  if (wrong) return { error: `expected digits 1 to ${symbols.length} and blanks (0 or .), got "${wrong}"` };
  const count = lines.join("").replace(/[\s|,;"'[\]+=]/g, "").length;
  return { error: `expected ${nodes} cells, got ${cells.length || count}` };
}

/* The choices that characters spell, -1 for blanks; null where a character is neither. */
function cellsOf(word, symbols) {
  const cells = [];
  for (const character of word) {
    const choice = symbols.indexOf(character.toUpperCase());
    if (choice < 0 && !BLANKS.includes(character)) return null;
    cells.push(choice);
  }
  return cells;
}

/* The cells of a row of a grid; null for a line without one, such as a rule between boxes. */
function rowOf(line, symbols, side) {
  if (/^[-+=|\s─-╿]*$/.test(line)) return null;
  const bare = line.replace(/[|!│┃║[\]"']/g, " ").trim();
  const separator = [",", ";", "\t"].find((character) => bare.includes(character));
  // Nothing between separators is a blank cell, but for what may follow the last one.
  const words = separator
    ? bare
        .split(separator)
        .slice(0, side)
        .map((field) => field.trim() || ".")
    : bare.split(/\s+/);
  const cells = cellsOf(words.join(""), symbols);
  return cells && cells.length === side ? cells : null;
}
