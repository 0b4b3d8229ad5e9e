// What the reader sets, and the buttons that start a piece of work and stop it.

import { NO_LABEL } from "./diffusion.mjs";

/** Let every slider of a form show its value, as a number and as the filled part of its track. */
export function showValues(form) {
  for (const slider of form.querySelectorAll("input[type=range]")) {
    const output = slider.closest("label").querySelector(".value");
    const show = () => {
      output.textContent = slider.value;
      slider.style.setProperty("--done", `${100 * (slider.value - slider.min) / (slider.max - slider.min)}%`);
    };
    slider.addEventListener("input", show);
    show();
  }
  const unguided = () => { form.weight.disabled = settingsOf(form).label === NO_LABEL; };
  form.addEventListener("input", unguided);
  unguided();
}

/** The settings of a form as numbers. */
export function settingsOf(form) {
  return { label: +form.label.value, weight: +form.weight.value, steps: +form.steps.value, seed: +form.seed.value };
}

/** A seed that the field takes, whatever was typed into it. */
export function tidySeed(field) {
  const seed = Math.floor(Number(field.value));
  field.value = Number.isFinite(seed) ? Math.min(Math.max(seed, 0), field.max) : 0;
}

export class Work {
  /**
   * Work that a button starts, and stops while it goes on.
   *
   * box: an element of the macro `work`, with a progress bar and a status. network: loaded before the
   * first piece of work begins.
   */
  constructor(box, network) {
    Object.assign(this, { box, network, bar: box.querySelector("progress"),
      status: box.querySelector("[role=status]"), stopping: null });
  }

  /** Let a button start `job`: an async function of (stopped, report) that returns its last words. */
  offer(button, job) {
    const words = button.textContent;
    button.addEventListener("click", async () => {
      if (this.stopping) return button.classList.contains("stop") && this.stop();
      button.classList.add("stop");
      button.textContent = "Stop";
      await this.run(job);
      button.classList.remove("stop");
      button.textContent = button.dataset.words ?? words;
    });
  }

  async run(job) {
    const stopping = this.stopping = new AbortController();
    this.report("", 0);
    this.show(true);
    let words;
    try {
      await this.load();
      words = await job(() => stopping.signal.aborted, (now, share) => this.report(now, share));
      if (stopping.signal.aborted) words = "Stopped.";
    } catch (error) {
      words = stopping.signal.aborted || error.message === "stopped" ? "Stopped."
        : `That did not work: ${error.message}.`;
    }
    this.stopping = null;
    this.show(false);
    this.status.textContent = words;
  }

  async load() {
    if (this.network.ready) return;
    const megabytes = (bytes) => (bytes / 1e6).toFixed(1), all = this.network.size;
    await this.network.load((bytes) => this.report(
      bytes < all ? `Loading: ${megabytes(bytes)} of ${megabytes(all)} MB` : "Loaded; starting", bytes / all));
  }

  stop() {
    this.stopping.abort();
    if (!this.network.ready) this.network.close();
  }

  report(words, share) {
    this.status.textContent = words;
    this.bar.value = share;
  }

  /** While it goes on, a screen reader hears nothing of the status, and can ask for the bar. */
  show(working) {
    this.box.classList.toggle("working", working);
    this.status.setAttribute("aria-busy", String(working));
    this.bar.hidden = !working;
    for (const button of this.box.querySelectorAll("button"))
      button.setAttribute("aria-disabled", String(working && !button.classList.contains("stop")));
  }
}
