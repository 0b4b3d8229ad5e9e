// The widget around the pad, for anywidget: the model's `pixels` follow what is drawn. drawing.mjs and
// pad.mjs stand before this, in one module.
function showPad({ model, el }) {
  el.classList.add("ddpm-pad");
  el.innerHTML = `
    <canvas class="paper" width="448" height="448" role="img"
      aria-label="A pad to draw a digit on, with a mouse, a finger or a pen"></canvas>
    <div class="tools">
      <button type="button" class="undo">Undo</button><button type="button" class="clear">Clear</button>
      <canvas class="digit" width="28" height="28" role="img" aria-label="The drawing as 28 by 28 pixels"></canvas>
    </div>`;
  const find = (selector) => el.querySelector(selector);
  const small = find(".digit").getContext("2d");
  let waiting = null;

  function show(digit) {
    const image = small.createImageData(SIZE, SIZE);
    digit.forEach((ink, i) => {
      image.data.fill(Math.round(127.5 * (ink + 1)), 4 * i, 4 * i + 3);
      image.data[4 * i + 3] = 255;
    });
    small.putImageData(image, 0, 0);
  }
  function send(digit, drawn) {  // not at every move of the hand
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      model.set("pixels", drawn ? [...digit] : []);
      model.save_changes();
    }, 150);
  }
  const pad = new Pad(find(".paper"), () => {
    const digit = digitOf(pad.strokes);
    show(digit);
    send(digit, pad.strokes.length > 0);
  });
  find(".undo").addEventListener("click", () => pad.undo());
  find(".clear").addEventListener("click", () => pad.clear());
  show(digitOf([]));
  return () => clearTimeout(waiting);
}

export default { render: showPad };
