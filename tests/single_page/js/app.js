import { openModelEngine } from "../engine/model.js";
import { readPackedFiles as readFiles } from "../engine/packed.js";

const engine = await openModelEngine(await readFiles());
window.foveate = {
  engine: document.body.dataset.engine,
  info: () => engine.info(),
  translate: (text, options) => engine.translate(text, options),
};
document.querySelector("#state").textContent = "ready";
