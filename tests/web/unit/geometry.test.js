import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ZOOM_MAX, baseScale, clampCamera, gridBoxes, neighbour, overflows, panBy, pictureBox, shares, visiblePart, zoomAt,
} from '../../../signaling/web/geometry.js';

const HD = { width: 1920, height: 1080 };
const STAGE = { width: 960, height: 600 };
const WHOLE = { zoom: 1, x: 0.5, y: 0.5 };
const near = (a, b, what = '') => assert.ok(Math.abs(a - b) < 1e-6, `${what}: ${a} is ${b}`);

test('fit shows all, fill leaves no border, native is pixel by pixel', () => {
  assert.equal(baseScale('fit', HD, STAGE), 0.5);
  near(baseScale('fill', HD, STAGE), 600 / 1080);
  assert.equal(baseScale('native', HD, STAGE, 2), 0.5);
  const fit = pictureBox(WHOLE, 0.5, HD, STAGE);
  assert.deepEqual(fit, { left: 0, top: 30, width: 960, height: 540 });
  assert.ok(!overflows(fit, STAGE));
  assert.ok(overflows(pictureBox(WHOLE, 1, HD, STAGE), STAGE));
});

test('a zoom keeps what is under the pointer', () => {
  const point = { x: 200, y: 400 };
  const under = (camera) => {
    const box = pictureBox(camera, 0.5, HD, STAGE);
    return [(point.x - box.left) / box.width, (point.y - box.top) / box.height];
  };
  let camera = zoomAt(WHOLE, 2, { x: 480, y: 300 }, 0.5, HD, STAGE);
  assert.deepEqual(camera, { zoom: 2, x: 0.5, y: 0.5 });
  const before = under(camera);
  camera = zoomAt(camera, 1.7, point, 0.5, HD, STAGE);
  under(camera).forEach((value, i) => near(value, before[i]));
});

test('a zoom has its ends: the whole picture, and ZOOM_MAX', () => {
  const middle = { x: 480, y: 300 };
  assert.equal(zoomAt(WHOLE, 0.1, middle, 0.5, HD, STAGE).zoom, 1);
  assert.equal(zoomAt(WHOLE, 1000, middle, 0.5, HD, STAGE).zoom, ZOOM_MAX);
  assert.equal(zoomAt(WHOLE, 0.1, middle, 1, HD, STAGE).zoom, 0.5, 'native may shrink until all is seen');
});

test('a camera never shows more border than there has to be', () => {
  assert.deepEqual(clampCamera({ zoom: 1, x: 0, y: 1 }, 0.5, HD, STAGE), WHOLE);
  const corner = clampCamera({ zoom: 4, x: -1, y: 2 }, 0.5, HD, STAGE);
  const box = pictureBox(corner, 0.5, HD, STAGE);
  near(box.left, 0);
  near(box.top + box.height, STAGE.height);
});

test('panning goes along with the pointer', () => {
  const camera = { zoom: 4, x: 0.5, y: 0.5 };
  const before = pictureBox(camera, 0.5, HD, STAGE);
  const after = pictureBox(panBy(camera, 30, -20, 0.5, HD, STAGE), 0.5, HD, STAGE);
  near(after.left - before.left, 30);
  near(after.top - before.top, -20);
});

test('the minimap knows what is seen', () => {
  const all = visiblePart(pictureBox(WHOLE, 0.5, HD, STAGE), STAGE);
  assert.deepEqual([all.left, all.top, all.width, all.height].map((v) => v + 0), [0, 0, 1, 1]);
  const half = visiblePart(pictureBox({ zoom: 2, x: 0.5, y: 0.5 }, 0.5, HD, STAGE), STAGE);
  near(half.left, 0.25);
  near(half.width, 0.5);
});

test('shares: by weight, but nobody gets too little', () => {
  assert.deepEqual(shares([1, 1]), [0.5, 0.5]);
  assert.deepEqual(shares([99, 1]), [0.75, 0.25]);
  assert.deepEqual(shares([1, 1, 1000]), [0.25, 0.25, 0.5]);
  shares([0, 0, 0, 0, 0]).forEach((share) => near(share, 0.2));
  for (const weights of [[5, 1, 1, 1], [1], [3, 2, 9]]) {
    near(shares(weights).reduce((a, b) => a + b), 1);
  }
});

const inside = (box, stage) => box.left >= 0 && box.top >= 0 && box.left + box.width <= stage.width + 1e-6
  && box.top + box.height <= stage.height + 1e-6 && box.width > 0 && box.height > 0;
const apart = (a, b) => a.left + a.width <= b.left + 1e-6 || b.left + b.width <= a.left + 1e-6
  || a.top + a.height <= b.top + 1e-6 || b.top + b.height <= a.top + 1e-6;

test('a grid of any number fills the stage and nothing overlaps', () => {
  for (const stage of [{ width: 1280, height: 720 }, { width: 390, height: 800 }]) {
    for (let count = 1; count <= 8; count += 1) {
      for (const equal of [false, true]) {
        const sizes = Array.from({ length: count }, (_, i) => ({ width: 400 + 300 * i, height: 400 }));
        const boxes = gridBoxes(sizes, stage, equal);
        assert.equal(boxes.length, count);
        assert.ok(boxes.every((box) => inside(box, stage)), `${count} fit`);
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => assert.ok(apart(a, b))));
      }
    }
  }
});

test('a grid gives a larger picture more room, and three have a big one', () => {
  const stage = { width: 1288, height: 728 };
  const two = gridBoxes([HD, { width: 100, height: 100 }], stage);
  near((two[0].width + 8) / (two[0].width + two[1].width + 16), 0.75, 'three quarters, with its gap');
  const three = gridBoxes([{ width: 800, height: 600 }, HD, { width: 800, height: 600 }], stage);
  assert.equal(three[1].height, 728 - 16, 'the big one is as high as the stage');
  assert.equal(three[0].left, three[2].left);
  const even = gridBoxes([HD, HD, HD], stage);
  assert.ok(even[0].width >= 0.39 * stage.width, 'even among equals');
  const [a, b] = gridBoxes([HD, { width: 100, height: 100 }], stage, true);
  near(a.width, b.width);
});

test('arrows go to the next picture in that direction', () => {
  const boxes = gridBoxes([HD, HD, HD, HD], { width: 1280, height: 720 }, true);
  assert.equal(neighbour(boxes, 0, 'ArrowRight'), 1);
  assert.equal(neighbour(boxes, 0, 'ArrowDown'), 2);
  assert.equal(neighbour(boxes, 3, 'ArrowUp'), 1);
  assert.equal(neighbour(boxes, 0, 'ArrowLeft'), 0);
});
