// Images on canvases, and what is seen in them in words.

import { SIZE } from "./drawing.mjs";

/** Put an image, Float32Array of 28 x 28 in [-1, 1], on a canvas of as many pixels; null empties it. */
export function paint(canvas, x) {
  const context = canvas.getContext("2d", { willReadFrequently: true });  // kept in memory: it is small
  context.clearRect(0, 0, SIZE, SIZE);
  canvas.classList.toggle("empty", x === null);
  if (x === null) return;
  const pixels = context.createImageData(SIZE, SIZE);
  x.forEach((value, i) => {
    const grey = Math.round((value + 1) * 127.5);  // the array's own type saturates, as to_uint8 does
    pixels.data.set([grey, grey, grey, 255], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
}

/** The likeliest digit, given the probability of each. */
export const digitIn = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

/** "a 3 (98 %)" */
export function reading(probabilities) {
  const digit = digitIn(probabilities);
  return `${aDigit(digit)} (${Math.floor(100 * probabilities[digit])} %)`;
}

export const aDigit = (digit) => (digit === 8 ? "an 8" : `a ${digit}`);
