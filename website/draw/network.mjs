// The networks as the page sees them: promises, kept by a worker.

export class Network {
  /** files: what the worker loads, as numbers.json names it: { runtime, network, reader }, each { name, bytes }. */
  constructor(files) {
    const here = (name) => new URL(name, import.meta.url).href;
    this.files = Object.fromEntries(Object.entries(files).map(([role, { name }]) => [role, here(name)]));
    this.size = Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
    this.listeners = new Set();  // each is told how many bytes are here
    this.close();
  }

  /** Load everything, once; `onProgress` is told how many bytes of it are here. */
  async load(onProgress = () => {}) {
    this.listeners.add(onProgress);
    this.loading ??= this.start();
    try {
      await this.loading;
      this.ready = true;
    } catch (error) {
      this.close(error.message);
      throw error;
    } finally {
      this.listeners.delete(onProgress);
    }
  }

  start() {
    this.worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.hear(data));
    this.worker.addEventListener("error", (event) => this.close(event.message || "the worker could not start"));
    return this.ask("load", { files: this.files });
  }

  /** eps_theta for B images in one array, B timesteps and B labels (-1: none). */
  predict = (x, t, labels) => this.ask("predict", { x, t, labels });

  /** The probability of each digit in one image, as the course's classifier sees it. */
  read = (x) => this.ask("read", { x });

  /** Stop whatever goes on, also the loading; the next `load` begins anew. */
  close(reason = "stopped") {
    this.worker?.terminate();
    this.waiting?.forEach(({ reject }) => reject(new Error(reason)));
    this.worker = this.loading = null;
    this.ready = false;
    this.waiting = new Map();
    this.count = 0;
  }

  ask(task, given) {
    return new Promise((resolve, reject) => {
      const id = this.count++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...given });
    });
  }

  hear({ id, answer, error, loaded }) {
    if (loaded !== undefined) return this.listeners.forEach((listener) => listener(loaded));
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error !== undefined) return reject(new Error(error));
    resolve(answer);
  }
}
