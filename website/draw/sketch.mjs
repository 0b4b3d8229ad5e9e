// "Draw your own digit": noised to some t by Eq. (4), and denoised from there (SDEdit).

import { chain, shoot } from "./chains.mjs";
import { settingsOf, showValues, tidySeed } from "./controls.mjs";
import { qSample, randn } from "./diffusion.mjs";
import { digitOf, SIZE } from "./drawing.mjs";
import { Film } from "./film.mjs";
import { Pad } from "./pad.mjs";
import { aDigit, digitIn, paint, reading } from "./pictures.mjs";

const FIRST = 7;  // the example at the start: from t = 500, with the noise of seed 9, it comes back as a 9

/** section: the part of the page. examples: digits, { label, x } with x as 28 x 28 numbers in [-1, 1]. */
export function sketch(section, { network, alphaBars, work, examples }) {
  const drawn = new Sketch(section, { network, alphaBars, work });
  section.querySelectorAll(".examples button").forEach((button, i) => {
    paint(button.querySelector("canvas"), examples[i].x);
    button.addEventListener("click", () => drawn.takeExample(examples[i]));
  });
  drawn.takeExample(examples[FIRST]);
}

class Sketch {
  constructor(section, { network, alphaBars, work }) {
    const find = (selector) => section.querySelector(selector), form = find("form");
    Object.assign(this, { network, alphaBars, work, form, t: form.t, small: find("canvas.small"),
      film: new Film(find(".film"), alphaBars), pad: new Pad(find("canvas.pad"), () => this.takeStrokes()),
      ladder: [...section.querySelectorAll(".ladder button")], descending: false,
      chains: new Map() });  // by the t that they start from
    showValues(form);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => (event.target === this.t ? this.look() : this.forget()));
    form.seed.addEventListener("change", () => { tidySeed(form.seed); this.forget(); });
    find(".undo").addEventListener("click", () => this.pad.undo());
    find(".clear").addEventListener("click", () => this.pad.clear());
    for (const rung of this.ladder) rung.addEventListener("click", () => this.watch(rung));
    const [denoise, climb] = form.querySelectorAll(".work button");
    this.button = denoise;
    work.offer(denoise, (...given) => this.descend(...given));
    work.offer(climb, (...given) => this.descendFromAll(...given));
  }

  takeStrokes() {
    const { strokes, picture, canvas } = this.pad;
    if (picture) return;
    this.take(digitOf(strokes), strokes.length ? "your drawing" : "blank paper");
    canvas.setAttribute("aria-label", `Your drawing, ${strokes.length} ${strokes.length === 1 ? "line" : "lines"}`);
  }

  takeExample({ label, x }) {
    this.take(x, `${aDigit(label)} of MNIST`);
    this.pad.put(this.small);
    this.pad.canvas.setAttribute("aria-label", `${aDigit(label)} of MNIST`);
  }

  take(x_0, words) {
    this.x_0 = x_0;
    paint(this.small, x_0);
    this.small.setAttribute("aria-label", `What the network gets, 28 by 28: ${words}`);
    this.forget();
  }

  /** Another x_0, seed or label: what came of the one before goes. */
  forget() {
    if (this.network.ready) this.work.stopping?.abort();
    this.chains.clear();
    this.ladder.forEach((rung) => this.show(rung));
    this.look();
  }

  /** At x_t, for the t that the slider says. */
  look() {
    const t = +this.t.value;
    if (this.descending) this.work.stopping?.abort();
    this.button.dataset.words = `Denoise from t = ${t}`;
    if (!this.work.stopping) this.button.textContent = this.button.dataset.words;
    this.film.begin({ t, x: this.noised(t), x0Hat: null, read: null });
  }

  /** At the chain that ends on a rung of the ladder. */
  watch(rung) {
    this.t.value = rung.value;
    this.t.dispatchEvent(new Event("input", { bubbles: true }));
    this.film.replace(this.chains.get(+rung.value));
  }

  noised(t) {
    return qSample(this.x_0, this.alphaBars[t], randn(settingsOf(this.form).seed, SIZE * SIZE));
  }

  from(t) {
    return chain(this.network, this.alphaBars, this.noised(t), { ...settingsOf(this.form), t });
  }

  async descend(stopped, report) {
    const t = +this.t.value, count = Math.min(settingsOf(this.form).steps, t);
    this.descending = true;
    try {
      const frames = await shoot(this.film, this.from(t), count, { stopped, report });
      return stopped() ? "" : `From t = ${t}: read as ${reading(frames.at(-1).read)}.`;
    } finally {
      this.descending = false;
    }
  }

  async descendFromAll(stopped, report) {
    const found = [];
    for (const rung of this.ladder) {
      const t = +rung.value, frames = [];
      for await (const frame of this.from(t)) {
        if (stopped()) break;
        frames.push(frame);
      }
      if (stopped()) return "";
      this.chains.set(t, frames);
      found.push([t, digitIn(frames.at(-1).read)]);
      this.show(rung);
      rung.classList.toggle("other", found.at(-1)[1] !== found[0][1]);
      report(`From t = ${t}`, found.length / this.ladder.length);
    }
    return turns(found);
  }

  /** A rung of the ladder: what comes out of the chain from its t. */
  show(rung) {
    const last = this.chains.get(+rung.value)?.at(-1), [before, digit, after] = rung.lastElementChild.children;
    const [start, middle, end] = last ? reading(last.read).split(/(\d)(.*)/) : [];
    paint(rung.querySelector("canvas"), last?.x ?? null);
    before.textContent = last ? `read as ${start}` : "not drawn yet";
    digit.textContent = middle ?? "";
    after.textContent = end ?? "";
    rung.disabled = !last;
    rung.classList.remove("other");
  }
}

/** Where one digit turns into another: [t, digit] with t rising, in words. */
export function turns(found) {
  const first = found[0][1], turn = found.findIndex(([, digit]) => digit !== first);
  if (turn < 0) return `Read as ${aDigit(first)} from every t.`;
  const [t, other] = found[turn];
  return `Read as ${aDigit(first)} up to t = ${found[turn - 1][0]}, and as ${aDigit(other)} from t = ${t}.`;
}
