// A film: the states of a chain as they come, and again under a slider.

import { paint, reading } from "./pictures.mjs";

const PLAY = "M4 1.5v13l10.5-6.5z", PAUSE = "M3 2h4v12H3zM9 2h4v12H9z";

export class Film {
  /** figure: an element of the macro `film`. alphaBars: the schedule, for the share of noise. */
  constructor(figure, alphaBars) {
    const find = (selector) => figure.querySelector(selector);
    [this.left, this.right] = figure.querySelectorAll(".pictures canvas");
    Object.assign(this, { figure, alphaBars, slider: find("input"), button: find("button"),
      output: find(".value"), caption: find("figcaption"), ends: find(".ends") });
    this.slider.addEventListener("input", () => { this.play(false); this.show(+this.slider.value); });
    this.slider.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      this.play(!this.timer);
    });
    this.button.addEventListener("click", () => this.play(!this.timer));
  }

  /** Begin with one state and wait for `more` of them. A state: { t, x, x0Hat or null, read or null }. */
  begin(first, more = 0) {
    this.play(false);
    this.frames = [first];
    this.slider.max = more;
    this.ends.firstElementChild.textContent = first.t;
    this.enable();
    this.show(0);
  }

  /** The next state; a reader who looks back is left there. */
  add(frame) {
    const following = this.at === this.frames.length - 1;
    this.frames.push(frame);
    this.enable();
    if (following) this.show(this.frames.length - 1);
  }

  /** A chain that is complete, at its end. */
  replace(frames) {
    this.begin(frames[0], frames.length - 1);
    this.frames = [...frames];
    this.enable();
    this.show(frames.length - 1);
  }

  /** While states come, a screen reader is not told each of them. */
  set forming(yes) {
    this.caption.setAttribute("aria-busy", String(yes));
    if (!yes) this.slider.max = this.frames.length - 1;
    this.show(this.at);
  }

  enable() {
    this.slider.disabled = this.button.disabled = this.frames.length < 2;
  }

  show(i) {
    const frame = this.frames[this.at = Math.min(i, this.frames.length - 1)], words = this.words(frame);
    paint(this.left, frame.x);
    paint(this.right, frame.x0Hat);
    this.left.setAttribute("aria-label", `x_t. ${words}`);
    this.right.setAttribute("aria-label", frame.x0Hat ? `x̂_0. ${words}` : "x̂_0: nothing yet");
    this.caption.textContent = words;
    this.output.textContent = frame.t;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", `t = ${frame.t}`);
    this.slider.style.setProperty("--done", `${100 * this.at / Math.max(1, this.slider.max)}%`);
  }

  /** A state in words. The share of noise is 1 - alpha_bar_t, that of x_t's variance. */
  words({ t, x0Hat, read }) {
    const seen = read && reading(read);
    if (t === 0) return `t = 0: the digit${seen ? `, read as ${seen}` : ""}.`;
    const noise = `t = ${t}: ${Math.round(100 * (1 - this.alphaBars[t]))} % noise`;
    return x0Hat ? `${noise}; what the network makes of it is read as ${seen}.` : `${noise}.`;
  }

  play(on) {
    clearInterval(this.timer);
    this.timer = null;
    const last = this.frames ? this.frames.length - 1 : 0;
    if (on) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;  // then two pictures a second
      const step = calm ? Math.max(1, Math.round(last / 12)) : 1;
      if (this.at === last) this.show(0);
      this.timer = setInterval(() => {
        this.show(Math.min(last, this.at + step));
        if (this.at === last) this.play(false);
      }, calm ? 500 : Math.min(300, Math.max(60, 4000 / (last + 1))));
    }
    this.button.querySelector("path").setAttribute("d", on ? PAUSE : PLAY);
    this.button.setAttribute("aria-label", on ? "Pause" : "Play");
  }
}
