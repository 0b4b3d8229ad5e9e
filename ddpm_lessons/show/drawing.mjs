// A drawing becomes a digit as MNIST's are: in a box of 20 x 20, centred by its mass in 28 x 28.

export const SIZE = 28;
const BOX = 20;
const PEN = 2.2;  // width of a line in pixels of the digit, about that of MNIST's
const MOST = 0.25;  // of the pad, at least, is scaled to the box: a dot stays a dot

/**
 * The digit that strokes draw: Float32Array of 28 x 28 in [-1, 1], -1 is paper and 1 is ink.
 *
 * strokes: lists of points [x, y], in shares of the pad, 0..1. Lines are scaled, not pixels, so that a
 * small drawing has lines as wide as a large one. Blank paper where there are no strokes.
 */
export function digitOf(strokes) {
  const points = strokes.flat();
  if (points.length === 0) return new Float32Array(SIZE * SIZE).fill(-1);
  const box = boxOf(points);
  const scale = (BOX - PEN) / Math.max(box.width, box.height, MOST);
  const place = (x, y) => strokes.map((stroke) => stroke.map((point) => [
    (point[0] - box.x) * scale + x, (point[1] - box.y) * scale + y,
  ]));
  const middle = render(place(SIZE / 2, SIZE / 2));
  const [x, y] = massOf(middle);
  return render(place(
    kept(SIZE - x, box.width * scale), kept(SIZE - y, box.height * scale),
  )).map((ink) => 2 * ink - 1);
}

/** The middle of the box around points, and its size. */
function boxOf(points) {
  const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return { x: (left + right) / 2, y: (top + bottom) / 2, width: right - left, height: bottom - top };
}

/** A place for the middle of a line of this length, moved so that the line stays on the picture. */
function kept(place, length) {
  const margin = (length + PEN) / 2;
  return Math.min(Math.max(place, margin), SIZE - margin);
}

/** Ink in 0..1: of a pixel within half a pen of a line 1, falling to 0 over one pixel's width. */
function render(strokes) {
  const ink = new Float32Array(SIZE * SIZE);
  for (const stroke of strokes)
    for (let i = 0; i < Math.max(1, stroke.length - 1); i++)
      draw(ink, stroke[i], stroke[i + 1] ?? stroke[i]);
  return ink;
}

function draw(ink, a, b) {
  const reach = PEN / 2 + 1, range = (p, q) => [Math.max(0, Math.floor(Math.min(p, q) - reach)),
    Math.min(SIZE - 1, Math.ceil(Math.max(p, q) + reach))];
  const [left, right] = range(a[0], b[0]), [top, bottom] = range(a[1], b[1]);
  for (let row = top; row <= bottom; row++)
    for (let column = left; column <= right; column++) {
      const share = PEN / 2 + 0.5 - distance([column + 0.5, row + 0.5], a, b), at = row * SIZE + column;
      ink[at] = Math.max(ink[at], Math.min(Math.max(share, 0), 1));
    }
}

/** From a point to the line from a to b. */
function distance(p, a, b) {
  const [x, y] = [b[0] - a[0], b[1] - a[1]], square = x * x + y * y;
  const along = square && Math.min(Math.max(((p[0] - a[0]) * x + (p[1] - a[1]) * y) / square, 0), 1);
  return Math.hypot(p[0] - a[0] - along * x, p[1] - a[1] - along * y);
}

/** The centre of mass, in pixels from the upper left corner. */
export function massOf(ink) {
  let sum = 0, x = 0, y = 0;
  ink.forEach((value, i) => {
    sum += value;
    x += value * ((i % SIZE) + 0.5);
    y += value * (Math.floor(i / SIZE) + 0.5);
  });
  return [x / sum, y / sum];
}
