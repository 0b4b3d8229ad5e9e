// The pad: lines drawn with a mouse, a finger or a pen.

const LINE = 0.085;  // width of a line, as a share of the pad

export class Pad {
  /** canvas: square. onChange: told that there are other strokes. */
  constructor(canvas, onChange) {
    Object.assign(this, { canvas, onChange, strokes: [], pointer: null, picture: null });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"])
      canvas.addEventListener(name, (event) => this.up(event));
    this.draw();
  }

  /** A picture in place of strokes: a canvas; the next stroke takes it away. */
  put(picture) {
    this.picture = picture;
    this.strokes = [];
    this.draw();
  }

  undo() {
    this.pointer = null;
    this.strokes.pop();
    this.change();
  }

  clear() {
    this.pointer = null;
    this.picture = null;
    this.strokes = [];
    this.change();
  }

  change() {
    this.draw();
    this.onChange();
  }

  down(event) {
    if (this.pointer !== null || event.button !== 0) return;  // a second finger, or another button
    event.preventDefault();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.picture = null;
    this.strokes.push([this.place(event)]);
    this.change();
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length ? between : [event]) this.strokes.at(-1).push(this.place(one));
    this.change();
  }

  up(event) {
    if (event.pointerId === this.pointer) this.pointer = null;
  }

  /** Where a pointer is, in shares of the pad. */
  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  }

  draw() {
    const { canvas, strokes, picture } = this, size = canvas.width, context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, size, size);
    context.imageSmoothingEnabled = false;
    if (picture) context.drawImage(picture, 0, 0, size, size);
    Object.assign(context, { lineWidth: LINE * size, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    for (const [first, ...rest] of strokes) {
      context.beginPath();
      context.moveTo(first[0] * size, first[1] * size);
      for (const [x, y] of rest.length ? rest : [first]) context.lineTo(x * size, y * size);
      context.stroke();
    }
  }
}
