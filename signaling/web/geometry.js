/* Geometry of the picture in the stage, and of several pictures side by side. Pure.
 *
 * Lengths are CSS pixels; sizes are {width, height}, boxes {left, top, width, height}. A camera is
 * {zoom, x, y}: how much larger than its scale asks for, and which point of the picture (0-1) is in the
 * middle of the stage. So what is looked at stays, whatever size the picture comes in. */

export const ZOOM_MAX = 10;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const sum = (list) => list.reduce((a, b) => a + b, 0);

/* CSS pixels for one of the picture's, unzoomed: 'fit' shows all of it, 'fill' leaves no border, 'native'
 * is a pixel of the screen for each; `ratio` is devicePixelRatio. */
export function baseScale(scale, picture, stage, ratio = 1) {
  if (scale === 'native') {
    return 1 / ratio;
  }
  const across = stage.width / picture.width;
  const down = stage.height / picture.height;
  return scale === 'fill' ? Math.max(across, down) : Math.min(across, down);
}

export function pictureBox({ zoom, x, y }, base, picture, stage) {
  const width = picture.width * base * zoom;
  const height = picture.height * base * zoom;
  return { left: stage.width / 2 - x * width, top: stage.height / 2 - y * height, width, height };
}

export const overflows = (box, stage) => box.width > stage.width + 1 || box.height > stage.height + 1;

/* No border where there could be picture; what is smaller than the stage is in its middle. */
export function clampCamera({ zoom, x, y }, base, picture, stage) {
  const keep = (at, length, room) => {
    const half = room / (2 * length);
    return half >= 0.5 ? 0.5 : clamp(at, half, 1 - half);
  };
  const scale = base * zoom;
  return { zoom, x: keep(x, picture.width * scale, stage.width), y: keep(y, picture.height * scale, stage.height) };
}

/* Zooms by a factor; what is under `point` (of the stage) stays there as far as it can. No smaller than
 * the whole picture, or than it is unzoomed. */
export function zoomAt(camera, factor, point, base, picture, stage) {
  const least = Math.min(1, baseScale('fit', picture, stage) / base);
  const zoom = clamp(camera.zoom * factor, least, ZOOM_MAX);
  const move = (at, offset, length) => at + (offset / length) * (1 / (base * camera.zoom) - 1 / (base * zoom));
  return clampCamera({
    zoom,
    x: move(camera.x, point.x - stage.width / 2, picture.width),
    y: move(camera.y, point.y - stage.height / 2, picture.height),
  }, base, picture, stage);
}

/* The picture goes along with a pointer that moved by (dx, dy). */
export function panBy(camera, dx, dy, base, picture, stage) {
  const scale = base * camera.zoom;
  const moved = { ...camera, x: camera.x - dx / (picture.width * scale), y: camera.y - dy / (picture.height * scale) };
  return clampCamera(moved, base, picture, stage);
}

/* The part of the picture that is seen, in fractions of it. */
export function visiblePart(box, stage) {
  const part = (at, length, room) => {
    const from = clamp(-at / length, 0, 1);
    return [from, clamp((room - at) / length, 0, 1) - from];
  };
  const [left, width] = part(box.left, box.width, stage.width);
  const [top, height] = part(box.top, box.height, stage.height);
  return { left, top, width, height };
}

/* ---- several pictures ---- */

const LEAST = 0.25; // of a row or column, for the smallest
const BIG = 0.4; // of the width, for the big one of three
const GAP = 8;

/* How a length is shared by weight: nobody gets less than `least` (or an equal part, where that is less). */
export function shares(weights, least = LEAST) {
  const floor = Math.min(least, 1 / weights.length);
  const low = new Set();
  for (;;) {
    const rest = sum(weights.filter((_, i) => !low.has(i)));
    const left = 1 - floor * low.size;
    const next = weights.findIndex((w, i) => !low.has(i) && (rest > 0 ? (w / rest) * left : 0) < floor - 1e-9);
    if (next < 0) {
      return weights.map((w, i) => (low.has(i) ? floor : (w / rest) * left));
    }
    low.add(next);
  }
}

const area = ({ width, height }) => Math.max(1, width * height);

/* Columns of cells: [[index, ...], ...] with the share of each column and of each cell in it. */
function columnsOf(sizes, equal) {
  const count = sizes.length;
  const weigh = (list) => (equal ? list.map(() => 1 / list.length) : shares(list));
  const weights = sizes.map(area);
  let columns;
  if (count <= 2) {
    columns = sizes.map((_, i) => [i]);
  } else if (count === 3) {
    const big = equal ? 0 : weights.indexOf(Math.max(...weights));
    columns = [[big], [0, 1, 2].filter((i) => i !== big)];
  } else {
    const across = Math.ceil(Math.sqrt(count));
    columns = Array.from({ length: across }, (_, c) => sizes.map((_, i) => i).filter((i) => i % across === c));
  }
  const least = count === 3 && !equal ? BIG : LEAST;
  const rough = weigh(columns.map((column) => sum(column.map((i) => weights[i]))));
  const first = Math.max(rough[0], count === 3 ? least : 0);
  const widths = count === 3 ? [first, 1 - first] : rough;
  return columns.map((cells, c) => ({ cells, width: widths[c], heights: weigh(cells.map((i) => weights[i])) }));
}

/* A box for each picture, in order, that together fill the stage: by area, or `equal`. A stage that is
 * higher than wide is filled row by row instead of column by column. */
export function gridBoxes(sizes, stage, equal = false) {
  const tall = stage.height > stage.width;
  const length = (tall ? stage.height : stage.width) - GAP;
  const depth = (tall ? stage.width : stage.height) - GAP;
  const boxes = [];
  let from = GAP;
  for (const { cells, width, heights } of columnsOf(sizes, equal)) {
    let at = GAP;
    cells.forEach((index, i) => {
      const long = width * length - GAP;
      const deep = heights[i] * depth - GAP;
      boxes[index] = tall
        ? { left: at, top: from, width: deep, height: long }
        : { left: from, top: at, width: long, height: deep };
      at += deep + GAP;
    });
    from += width * length;
  }
  return boxes;
}

/* The box that an arrow key leads to, or the same one where there is none. */
export function neighbour(boxes, index, key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const middle = (box) => [box.left + box.width / 2, box.top + box.height / 2];
  const [x, y] = middle(boxes[index]);
  let best = index;
  let nearest = Infinity;
  boxes.forEach((box, i) => {
    const [ox, oy] = middle(box);
    const ahead = (ox - x) * dx + (oy - y) * dy;
    const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    if (ahead > 1 && aside <= 2 * ahead && ahead + aside < nearest) {
      nearest = ahead + aside;
      best = i;
    }
  });
  return best;
}
