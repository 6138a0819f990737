/* The reader's own puzzle: typed, pasted or picked, and solved by the network in a worker. */
"use strict";

class Live {
  constructor(root, live) {
    this.live = live;
    this.root = root;
    this.find = (id) => root.querySelector(`#${id}`);
    this.player = new Player(this.find("live-player"));
    this.worker = startWorker(live);
    this.named = namedGroups(live.groups, live.choices, live.symbols);
    this.cells = live.view.cells.map(([row, column], node) => this.cell(row, column, node));
    this.makeGrid();
    this.find("live-name").textContent = `${live.name}, ${live.parameters.toLocaleString("en")} parameters`;
    const examples = this.find("example");
    examples.append(
      ...live.examples.map((text, i) =>
        make("option", { value: i, text: `${live.examples_title} ${i + 1}, ${givensIn(text)} given` }),
      ),
    );
    examples.addEventListener("change", () => {
      if (examples.value !== "") this.read(live.examples[Number(examples.value)]);
    });
    this.find("read").addEventListener("click", () => this.read(this.find("paste").value));
    this.find("clear").addEventListener("click", () => {
      this.fill(this.cells.map(() => -1));
      this.tell("");
    });
    this.find("solve").addEventListener("click", () => this.solve());
    this.find("think").addEventListener("change", (event) => {
      this.find("depth").value = event.target.value === "branch" ? 1024 : 64;
    });
    this.find("stop").addEventListener("click", () => {
      this.stop();
      this.tell("Stopped.");
    });
    this.read(live.examples[0]);
    this.tell("");
  }

  cell(row, column, node) {
    const input = make("input", {
      class: "cell",
      maxlength: 1,
      inputmode: "text",
      autocomplete: "off",
      "aria-label": `row ${row + 1}, column ${column + 1}`,
    });
    input.addEventListener("input", () => {
      const { choices, symbols } = this.live;
      const choice = symbols.indexOf(input.value.toUpperCase());
      if (input.value && (choice < 0 || choice >= choices)) input.value = "";
      this.check();
    });
    input.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text");
      if (text.trim().length > 1) {
        event.preventDefault();
        this.read(text);
      }
    });
    input.addEventListener("keydown", (event) => this.move(event, row, column));
    input.addEventListener("focus", () => input.select());
    return input;
  }

  makeGrid() {
    const rows = [];
    this.live.view.cells.forEach(([row, column], node) => {
      (rows[row] ??= [])[column] = this.cells[node];
    });
    this.rows = rows;
    const side = Math.round(Math.sqrt(rows.length));
    this.find("grid").style.setProperty("--columns", rows[0].length);
    rows.forEach((inputs, r) =>
      inputs.forEach((input, c) => {
        input.classList.toggle("below", r % side === side - 1 && r + 1 < rows.length);
        input.classList.toggle("right", c % side === side - 1 && c + 1 < inputs.length);
        this.find("grid").append(input);
      }),
    );
  }

  /* Arrow keys go from cell to cell. */
  move(event, row, column) {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (by) {
      event.preventDefault();
      this.rows[row + by[0]]?.[column + by[1]]?.focus();
    } else if (event.key === "Enter") {
      this.solve();
    }
  }

  givens() {
    return this.cells.map((input) => this.live.symbols.indexOf(input.value.toUpperCase() || " "));
  }

  fill(givens) {
    this.cells.forEach((input, node) => {
      input.value = givens[node] < 0 ? "" : this.live.symbols[givens[node]];
    });
    return this.check();
  }

  /* Take a puzzle from text of any plain layout. */
  read(text) {
    const found = parsePuzzle(text, this.live.nodes, this.live.symbols);
    if (found.error) {
      this.tell(`This is no puzzle: ${found.error}.`, true);
      return;
    }
    if (this.fill(found.givens)) this.tell("Puzzle read.");
  }

  /* Whether no rule is broken by what is given; clashes are marked and named. */
  check() {
    const { words, nodes } = brokenRules(this.named, this.givens(), this.live.choices);
    this.cells.forEach((input, node) => {
      if (nodes.has(node)) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    });
    if (words.length) this.tell(`This puzzle has no solution: ${words.slice(0, 3).join("; ")}.`, true);
    else this.tell("");
    return !words.length;
  }

  tell(words, wrong = false) {
    this.find("message").textContent = words;
    this.find("message").classList.toggle("wrong", wrong);
  }

  /* End the worker in the middle of its work. */
  stop() {
    this.worker.terminate();
    this.worker = startWorker(this.live);
    this.finish();
  }

  finish() {
    this.find("solve").disabled = false;
    this.find("stop").disabled = true;
  }

  solve() {
    if (!this.check() || this.find("solve").disabled) return;
    const givens = this.givens();
    const think = this.find("think").value,
      steps = Number(this.find("depth").value);
    const given = givens.flatMap((choice, node) => (choice < 0 ? [] : [node]));
    const answer = Int16Array.from(givens);
    const first = {
      step: 0,
      answer,
      confidence: null,
      changed: new Set(),
      residual: null,
      solved: this.holds(answer),
    };
    const run = { title: think === "branch" ? `${this.live.name}, branch` : this.live.name, frames: [first] };
    if (think === "branch") run.tree = [];
    const set = { ...this.live, neighbours: null };
    this.player.load(set, { view: this.live.view, given }, [run]);
    this.find("live-player").hidden = false;
    activePlayer = this.player;
    this.find("solve").disabled = true;
    this.find("stop").disabled = false;
    this.tell("Thinking ...");
    this.worker.onmessage = ({ data }) => this.take(run, data, steps);
    this.worker.postMessage({ givens, think, steps });
  }

  /* Frames from the worker. */
  take(run, data, budget) {
    if ("solutions" in data) {
      this.several = data.solutions > 1 ? " The puzzle has several solutions." : "";
      if (data.solutions === 0) {
        this.finish();
        this.tell("This puzzle has no solution.", true);
      }
      return;
    }
    for (const frame of data.frames) {
      const before = run.frames[run.frames.length - 1];
      frame.changed = new Set([...frame.answer.keys()].filter((i) => frame.answer[i] !== before.answer[i]));
      frame.step = Math.max(frame.step, before.step + 1); // a contradiction costs no step
      frame.solved = this.holds(frame.answer);
      if (frame.board) run.tree.push(frame.board);
      run.frames.push(frame);
    }
    this.player.refresh(data.done !== undefined);
    this.player.showLast();
    if (data.done === undefined) return;
    this.finish();
    const last = run.frames[run.frames.length - 1];
    const seconds = data.done / 1000;
    const first = run.frames.find((frame) => frame.solved);
    this.find("message").dataset.seconds = seconds;
    const took = `${plural(last.step, "step")} in ${seconds.toFixed(2)} s.`;
    if (last.solved) this.tell(`Solved: all rules hold since step ${first.step}. ${took}${this.several}`);
    else
      this.tell(
        `Not solved within ${budget} steps. ${took} ` + `More steps or branching may help.${this.several}`,
        true,
      );
  }

  /* Whether all rules hold. */
  holds(answer) {
    return !broken(this.named, answer, this.live.choices).length;
  }
}

/* A worker that has the network; its code is what the page's script elements hold. */
function startWorker(live) {
  const code = ["network.js", "search.js", "exact.js", "worker.js"].map((id) =>
    document.getElementById(id).textContent.replace('"use strict";', ""),
  );
  const url = URL.createObjectURL(new Blob(['"use strict";', ...code], { type: "text/javascript" }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  worker.postMessage({
    network: {
      nodes: live.nodes,
      choices: live.choices,
      groups: live.groups,
      weights: unpackedWeights(live.weights),
    },
  });
  return worker;
}

function givensIn(text) {
  return [...text].filter((character) => !BLANKS.includes(character)).length;
}
