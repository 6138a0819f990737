/* Reads the data and brings the page to life. */
"use strict";

async function main() {
  const { sets, live } = await readDocument(document.getElementById("data").textContent);
  const player = new Player(document.getElementById("replay-player"));
  activePlayer = player;
  const setChoice = document.getElementById("set"),
    instanceChoice = document.getElementById("instance");
  setChoice.append(...sets.map((set, i) => make("option", { value: i, text: set.title })));
  const showInstance = () => {
    activePlayer = player; // the keys are for what was chosen last
    const set = sets[Number(setChoice.value)],
      instance = set.instances[Number(instanceChoice.value)];
    const runs = instance.runs.map((run, i) => ({
      ...run,
      ...set.runs[i],
      frames: readFrames(run.frames, set.nodes),
    }));
    document.getElementById("set-note").textContent = set.note;
    player.load(set, instance, runs);
  };
  const showSet = () => {
    const set = sets[Number(setChoice.value)];
    instanceChoice.replaceChildren(
      ...set.instances.map((instance, i) =>
        make("option", {
          value: i,
          text: `${i + 1} of ${set.instances.length}${instanceNote(set, instance)}`,
        }),
      ),
    );
    showInstance();
  };
  setChoice.addEventListener("change", showSet);
  instanceChoice.addEventListener("change", showInstance);
  listenToKeys();
  if (sets.length) showSet();
  document.getElementById("live").live = new Live(document.getElementById("live"), live);
  document.documentElement.dataset.ready = "yes";
}

/* What tells instances apart: how much is given, or where a path leads. */
function instanceNote(set, { view, given }) {
  if (view.kind === "map") return `: ${view.names[view.source]} to ${view.names[view.target]}`;
  return given.length ? `: ${given.length} given` : "";
}

main();
