/* A player: the runs of one instance side by side, moved by one slider.
 *
 * Arrow keys step, Home and End go to the ends, and space plays, whenever no field has the focus.
 * They act on the player that was used last.
 */
"use strict";

const FRAME_MS = 160;
let activePlayer = null;

class Player {
  constructor(root) {
    this.root = root;
    this.slider = make("input", { type: "range", min: 0, max: 1, value: 0, "aria-label": "Refinement step" });
    this.button = make("button", { type: "button", class: "play", text: "Play" });
    this.label = make("output", { class: "step" });
    this.runs = make("div", { class: "runs" });
    this.traces = traces();
    this.graphBox = make("div", { class: "graph-choice" });
    root.append(
      make("div", { class: "controls" }, [this.button, this.slider, this.label]),
      this.graphBox,
      this.runs,
      this.traces.element,
    );
    this.slider.addEventListener("input", () => {
      this.pause();
      this.show(Number(this.slider.value));
    });
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    root.addEventListener("pointerdown", () => {
      activePlayer = this;
    });
    root.addEventListener("focusin", () => {
      activePlayer = this;
    });
    this.steps = [0];
    this.at = 0;
  }

  /* Show an instance of a set, from its first frame; runs are {title, frames, tree?, graph?}. */
  load(set, instance, runs) {
    this.pause();
    this.set = set;
    this.panels = runs.map((run) => this.panel(set, instance, run));
    this.runs.replaceChildren(...this.panels.map((panel) => panel.element));
    this.offerGraph(instance);
    this.refresh();
    this.show(0);
  }

  /* Take note of frames that were added to the runs; curves are drawn when all are there. */
  refresh(whole = true) {
    const steps = this.panels.flatMap(({ run }) => run.frames.map((frame) => frame.step));
    this.steps = [...new Set(steps)].sort((a, b) => a - b);
    this.slider.max = Math.max(0, this.steps.length - 1);
    for (const panel of this.panels) panel.fillTree();
    if (!whole) return;
    this.traces.draw(this.panels.map(({ run }) => run));
    this.traces.mark(this.steps[this.at] ?? 0);
  }

  panel(set, instance, run) {
    const drawn = drawing(set, instance, run);
    const words = make("p", { class: "words" });
    const treeBox = make("div");
    const element = make("article", { class: "run" }, [
      make("h3", { text: run.title }),
      drawn.element,
      words,
      treeBox,
    ]);
    const cellName = (node) => {
      const cell = instance.view.cells?.[node];
      return cell ? `row ${cell[0] + 1} column ${cell[1] + 1}` : `node ${node}`;
    };
    let tree = null,
      shown = 0;
    const fillTree = () => {
      if (!run.tree?.length || shown === run.tree.length) return;
      shown = run.tree.length;
      tree = treeList(run.tree, cellName, set.symbols, (number) => {
        this.pause();
        this.show(this.steps.indexOf(run.frames[number + 1].step));
      });
      const count = run.search ? run.search.boards : run.tree.length;
      const summary = make("summary", { text: `Search tree: ${plural(count, "board")}` });
      treeBox.replaceChildren(make("details", { open: "" }, [summary, tree.element]));
    };
    const show = (step) => {
      let i = run.frames.length - 1;
      while (i > 0 && run.frames[i].step > step) i--;
      const frame = run.frames[i];
      const pins = run.tree && i ? pinsOf(run.tree, i - 1) : [];
      const told = drawn.update(frame, new Set(pins.map(([node]) => node)));
      const facts = [
        i && frame.changed.size ? `${frame.changed.size} changed.` : "",
        told,
        frame.confidence ? `Confidence ${percent(mean(frame.confidence))}.` : "",
      ];
      words.textContent = facts.filter(Boolean).join(" ");
      words.classList.toggle("solved", frame.solved);
      tree?.mark(i - 1);
    };
    return { element, run, show, fillTree, overlay: drawn.overlay };
  }

  /* A choice of the cell whose learned neighbours are drawn, where a run has a graph. */
  offerGraph(instance) {
    const overlays = this.panels.filter((panel) => panel.overlay).map((panel) => panel.overlay);
    this.graphBox.replaceChildren();
    if (!overlays.length) return;
    const select = make("select", { id: "graph-cell" }, [
      make("option", { value: "", text: "hidden" }),
      ...instance.view.cells.map(([r, c], node) =>
        make("option", { value: node, text: `row ${r + 1}, column ${c + 1}` }),
      ),
    ]);
    const words = make("span", { class: "note", role: "status" });
    select.addEventListener("change", () => {
      const node = select.value === "" ? null : Number(select.value);
      words.textContent = overlays.map((overlay) => overlay.show(node)).join(" ");
    });
    this.graphBox.append(
      make("label", { for: "graph-cell", text: "Learned graph, neighbours of " }),
      select,
      words,
    );
  }

  /* Show the frame of this number. */
  show(number) {
    this.at = Math.max(0, Math.min(this.steps.length - 1, number));
    const step = this.steps[this.at];
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", `step ${step}`);
    this.label.textContent = `step ${step} of ${this.steps[this.steps.length - 1]}`;
    for (const panel of this.panels) panel.show(step);
    this.traces.mark(step);
  }

  showLast() {
    this.show(this.steps.length - 1);
  }

  play() {
    activePlayer = this;
    if (this.at >= this.steps.length - 1) this.show(0);
    this.button.textContent = "Pause";
    this.timer = setInterval(() => {
      this.show(this.at + 1);
      if (this.at >= this.steps.length - 1) this.pause();
    }, FRAME_MS);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
  }
}

/* Keys for the player that was used last. */
function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, select, textarea");
    const player = activePlayer;
    if (!player || event.ctrlKey || event.altKey || event.metaKey || (field && field.type !== "range"))
      return;
    const moves = {
      ArrowLeft: player.at - 1,
      ArrowRight: player.at + 1,
      Home: 0,
      End: player.steps.length - 1,
    };
    if (event.key in moves) {
      player.pause();
      player.show(moves[event.key]);
      event.preventDefault();
    } else if (event.key === " " && !event.target.closest("button, summary, a")) {
      player.timer ? player.pause() : player.play();
      event.preventDefault();
    }
  });
}
