// Chains as the page shows them: the states of `ddim`, each with what the classifier reads in it.

import { ddim, evenGrid, guided } from "./diffusion.mjs";

const CLIP_X0 = 1;  // no digit is brighter than ink

/** The states of a chain from x_t down, { t, x, x0Hat, read }. settings: label, weight, steps. */
export async function* chain(network, alphaBars, x_t, { t, label, weight, steps }) {
  const epsModel = guided(network.predict, label, weight);
  const timesteps = evenGrid(t, Math.min(steps, t));
  for await (const state of ddim(epsModel, alphaBars, x_t, { timesteps, clipX0: CLIP_X0 }))
    yield { ...state, read: await network.read(state.x0Hat) };
}

/** Let a film show a chain while it forms, unless `stopped`; returns its states. */
export async function shoot(film, states, count, { stopped, report }) {
  const frames = [];
  film.forming = true;
  try {
    for await (const frame of states) {
      if (stopped()) break;
      if (frames.length) film.add(frame);
      else film.begin(frame, count);
      frames.push(frame);
      report(`t = ${frame.t}`, frames.length / (count + 1));
    }
  } finally {
    film.forming = false;
  }
  return frames;
}
