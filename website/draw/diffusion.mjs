// The mathematics of the page: what the library's functions of the same names compute, in JavaScript.
// No page, no network: an image is a Float32Array, computed with in double precision and rounded once.
// tests/browser/test_draw_page.py holds every function to the library's.

export const NO_LABEL = -1;

/** `steps` whole numbers that fall evenly from T to 1, both included: even_grid of samplers/chain.py. */
export function evenGrid(T, steps) {
  if (!Number.isInteger(steps) || steps < 1 || steps > T)
    throw new RangeError(`steps is ${steps}, expected a whole number in 1..${T}`);
  if (steps === 1) return [T];
  const gaps = steps - 1;
  return Array.from({ length: steps }, (_, i) => T - Math.floor((i * (T - 1) + Math.floor(gaps / 2)) / gaps));
}

/** Eq. (4), reparameterised: x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps. */
export function qSample(x_0, alphaBar, eps) {
  const signal = Math.sqrt(alphaBar), noise = Math.sqrt(1 - alphaBar);
  return x_0.map((x, i) => signal * x + noise * eps[i]);
}

/** Eq. (15): Eq. (4) solved for x_0, (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t). */
export function predictX0(x_t, alphaBar, eps) {
  const signal = Math.sqrt(alphaBar), noise = Math.sqrt(1 - alphaBar);
  return x_t.map((x, i) => (x - noise * eps[i]) / signal);
}

/** Eq. (4) solved for the noise: (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t). */
export function predictEps(x_t, alphaBar, x_0) {
  const signal = Math.sqrt(alphaBar), noise = Math.sqrt(1 - alphaBar);
  return x_t.map((x, i) => (x - signal * x_0[i]) / noise);
}

/** Every entry moved into [-limit, limit]; the image itself where the limit is null. */
export function clip(x, limit) {
  return limit === null ? x : x.map((value) => Math.min(Math.max(value, -limit), limit));
}

/**
 * DDIM without noise (Song, Meng & Ermon 2021, Eq. 12, eta = 0): jumps over a falling grid, down to 0.
 *
 * Yields { t, x, x0Hat } for each timestep of the grid, and at t = 0, where x0Hat is x. epsModel: takes
 * an image and its t, promises the noise in it. alphaBars: T + 1 numbers, alphaBars[0] = 1. timesteps:
 * the grid; it may start below T, as SDEdit does. clipX0: x0Hat is clipped to it, and the noise is then
 * that of the clipped image. One call of epsModel a timestep.
 */
export async function* ddim(epsModel, alphaBars, x_t, { timesteps, clipX0 = null }) {
  let x = x_t;
  for (const [i, t] of timesteps.entries()) {
    const alphaBar = alphaBars[t], alphaBarTo = alphaBars[timesteps[i + 1] ?? 0];
    const x0Hat = clip(predictX0(x, alphaBar, await epsModel(x, t)), clipX0);
    yield { t, x, x0Hat };
    x = qSample(x0Hat, alphaBarTo, predictEps(x, alphaBar, x0Hat));
  }
  yield { t: 0, x, x0Hat: x };
}

/**
 * Classifier-free guidance (Ho & Salimans 2022): eps(none) + weight (eps(label) - eps(none)).
 *
 * network: takes B images in one array, B timesteps and B labels, and promises their noise. Returns an
 * epsModel for one image. label: 0..9, or NO_LABEL, and then nothing is guided. weight: 0 asks for no
 * label, 1 for the label as it was learnt, more insists on it; other than 0 and 1 take two images a call.
 */
export function guided(network, label, weight) {
  if (!(weight >= 0)) throw new RangeError(`weight is ${weight}, expected a number of at least 0`);
  if (label === NO_LABEL || weight === 0) return (x, t) => network(x, [t], [NO_LABEL]);
  if (weight === 1) return (x, t) => network(x, [t], [label]);
  return async (x, t) => {
    const twice = new Float32Array(2 * x.length);
    twice.set(x);
    twice.set(x, x.length);
    const both = await network(twice, [t, t], [label, NO_LABEL]);
    const told = both.subarray(0, x.length), free = both.subarray(x.length);
    return free.map((eps, i) => eps + weight * (told[i] - eps));
  };
}

/**
 * `count` draws of N(0, 1), the ones of torch.randn(count, generator=torch.Generator().manual_seed(seed))
 * on a CPU: a seed draws the same digit here and there. By the transform of Box & Muller (1958), sixteen
 * numbers at a time as PyTorch takes them, hence a count that is a multiple of 16.
 */
export function randn(seed, count) {
  if (count % 16) throw new RangeError(`count is ${count}, expected a multiple of 16`);
  const next = mersenneTwister(seed), noise = new Float32Array(count);
  for (let i = 0; i < count; i++) noise[i] = (next() & 0xffffff) / 2 ** 24;  // uniform in [0, 1)
  for (let i = 0; i < count; i += 16)
    for (let j = i; j < i + 8; j++) {
      const radius = Math.sqrt(-2 * Math.log(1 - noise[j])), angle = 2 * Math.PI * noise[j + 8];
      noise[j] = radius * Math.cos(angle);
      noise[j + 8] = radius * Math.sin(angle);
    }
  return noise;
}

/** The generator MT19937 (Matsumoto & Nishimura 1998): returns a function that draws 32 random bits. */
function mersenneTwister(seed) {
  const N = 624, M = 397, state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let i = N;
  function renew() {
    for (let k = 0; k < N; k++) {
      const y = (state[k] & 0x80000000) | (state[(k + 1) % N] & 0x7fffffff);
      state[k] = state[(k + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    i = 0;
  }
  return () => {
    if (i === N) renew();
    let y = state[i++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
