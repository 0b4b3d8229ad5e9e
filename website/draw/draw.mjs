// The page: brings the numbers that the library wrote down, and sets both parts up.

import { Work } from "./controls.mjs";
import { generate } from "./generate.mjs";
import { Network } from "./network.mjs";
import { sketch } from "./sketch.mjs";

async function start() {
  const numbers = await (await fetch(new URL("numbers.json", import.meta.url))).json();
  const alphaBars = numbers.alpha_bars, network = new Network(numbers.files);
  const examples = numbers.examples.map(
    ({ label, image }) => ({ label, x: Float32Array.from(image, (grey) => grey / 127.5 - 1) }));
  for (const [id, setUp] of Object.entries({ generate, sketch })) {
    const section = document.getElementById(id), work = new Work(section.querySelector(".work"), network);
    setUp(section, { network, alphaBars, work, examples });
  }
}

start().catch((error) => {
  document.querySelector(".trouble code").textContent = String(error?.message ?? error);
  document.querySelector(".trouble[role=alert]").hidden = false;
});
