// "A digit out of noise": the chain from t = T.

import { chain, shoot } from "./chains.mjs";
import { settingsOf, showValues, tidySeed } from "./controls.mjs";
import { NO_LABEL, randn } from "./diffusion.mjs";
import { SIZE } from "./drawing.mjs";
import { Film } from "./film.mjs";

/** section: the part of the page. work: of its buttons. */
export function generate(section, { network, alphaBars, work }) {
  const form = section.querySelector("form"), python = section.querySelector("pre code");
  const film = new Film(section.querySelector(".film"), alphaBars);
  const [draw, another] = form.querySelectorAll(".work button");
  const T = alphaBars.length - 1;
  const noise = () => randn(settingsOf(form).seed, SIZE * SIZE);

  async function job(stopped, report) {
    const settings = settingsOf(form), began = performance.now();
    python.textContent = inPython(settings);
    const states = chain(network, alphaBars, noise(), { ...settings, t: T });
    await shoot(film, states, settings.steps, { stopped, report });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    return `${settings.steps} ${settings.steps === 1 ? "step" : "steps"} in ${seconds} s.`;
  }

  showValues(form);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.seed.addEventListener("change", () => tidySeed(form.seed));
  work.offer(draw, job);
  work.offer(another, (...given) => {
    form.seed.value = (Number(form.seed.value) + 1) % (Number(form.seed.max) + 1);
    return job(...given);
  });
  python.textContent = inPython(settingsOf(form));
  film.begin({ t: T, x: noise(), x0Hat: null, read: null });
}

/** The lines with which the library draws the same digit. */
function inPython({ label, weight, steps, seed }) {
  const model = label === NO_LABEL ? "net" : `guided(net, ${label}, ${weight})`;
  return `import torch

from ddpm_lessons import ddim, guided
from ddpm_lessons.models import load_pretrained

net, schedule, _ = load_pretrained("mnist-labels")
x_T = torch.randn(1, 1, ${SIZE}, ${SIZE}, generator=torch.Generator().manual_seed(${seed}))
*_, last = ddim(${model}, schedule, x_T, steps=${steps}, clip_x0=1)
`;
}
