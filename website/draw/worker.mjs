// The worker: it computes beside the page, so that the page's sliders stay alive meanwhile.
// Messages in: { id, task, ... }. Out: { id, answer } or { id, error }, and { loaded } in bytes.

import * as ort from "./ort.wasm.bundle.min.mjs";

const SIZE = 28;
const networks = {};
const tasks = { load, predict, read };

/** Fetch the runtime and the networks. files: the addresses of `runtime`, `network` and `reader`. */
async function load({ files }) {
  let loaded = 0;
  const count = (bytes) => { loaded += bytes; postMessage({ loaded }); };
  const [runtime, network, reader] = await Promise.all(
    [files.runtime, files.network, files.reader].map((file) => fetchBytes(file, count)));
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1;  // so small a network gains little from more, and a page may rarely have them
  ort.env.wasm.wasmBinary = await unpack(runtime);
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
  networks.unet = await ort.InferenceSession.create(network, options);
  networks.reader = await ort.InferenceSession.create(reader, options);
}

/** eps_theta(x_t, t): the noise that the network sees in B images, given their timesteps and labels. */
async function predict({ x, t, labels }) {
  const B = t.length, whole = (numbers) => new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), [B]);
  const answer = await networks.unet.run({
    x_t: new ort.Tensor("float32", x, [B, 1, SIZE, SIZE]), t: whole(t), labels: whole(labels),
  });
  return answer.eps.data;
}

/** What the course's classifier sees in one image: ten probabilities. */
async function read({ x }) {
  const answer = await networks.reader.run({ x: new ort.Tensor("float32", x, [1, 1, SIZE, SIZE]) });
  return answer.probabilities.data;
}

async function fetchBytes(file, count) {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`${file}: ${response.status} ${response.statusText}`);
  const stream = response.body.getReader(), chunks = [];
  for (let part = await stream.read(); !part.done; part = await stream.read()) {
    chunks.push(part.value);
    count(part.value.length);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** What a gzip file holds; a file that a server has unpacked on the way stays as it is. */
function unpack(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

addEventListener("message", async ({ data: { id, task, ...given } }) => {
  try {
    postMessage({ id, answer: await tasks[task](given) });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
});
