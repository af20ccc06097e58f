import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameClock, LiveEdge } from '../../../signaling/web/live.js';

const WELL = { lossPercent: 0, rttMs: 40, jitterMs: 4, jitterBufferMs: 20 };

test('nothing is held back, unless what is lost has to be waited for', () => {
  const edge = new LiveEdge();
  edge.step(WELL, 0);
  assert.equal(edge.targetMs, 0);
  edge.step({ ...WELL, lossPercent: 5, rttMs: 100 }, 1000);
  assert.equal(edge.targetMs, 164);
  edge.step({ ...WELL, lossPercent: 5, rttMs: 5000 }, 2000);
  assert.equal(edge.targetMs, 400, 'there is a limit');
});

test('it catches up little by little', () => {
  const edge = new LiveEdge();
  edge.step({ ...WELL, lossPercent: 5, rttMs: 100 }, 0);
  const targets = Array.from({ length: 10 }, (_, i) => (edge.step(WELL, 1000 * i), edge.targetMs));
  assert.deepEqual(targets.slice(0, 3), [144, 124, 104]);
  assert.equal(targets.at(-1), 0);
});

test('a second behind for three steps: played anew, and joined anew when that does not help', () => {
  const edge = new LiveEdge();
  const late = { ...WELL, jitterBufferMs: 1500 };
  assert.deepEqual([1, 2, 3].map((s) => edge.step(late, 1000 * s)), ['', '', 'refresh']);
  assert.ok(edge.behind);
  assert.deepEqual([4, 5, 6, 7, 8].map((s) => edge.step(late, 1000 * s)), ['', '', '', '', 'rejoin']);
  assert.deepEqual([9, 10, 11, 12, 13].map((s) => edge.step(late, 1000 * s)).at(-1), 'refresh', 'joins are seldom');
  edge.step(WELL, 20000);
  assert.ok(!edge.behind);
});

test('what is not known is not late', () => {
  const edge = new LiveEdge();
  const unknown = { lossPercent: null, rttMs: null, jitterMs: null, jitterBufferMs: null };
  assert.deepEqual([1, 2, 3, 4].map((s) => edge.step(unknown, 1000 * s)), ['', '', '', '']);
  assert.equal(edge.targetMs, 0);
});

test('the times of frames are medians, and of what the browser tells only', () => {
  const clock = new FrameClock();
  assert.deepEqual([clock.glassMs, clock.screenMs], [null, null]);
  for (const late of [30, 500, 40]) {
    clock.add({ expectedDisplayTime: 1000, receiveTime: 1000 - late });
  }
  assert.deepEqual([clock.glassMs, clock.screenMs], [null, 40]);
  clock.add({ expectedDisplayTime: 1000, captureTime: 940, receiveTime: 2000 });
  assert.deepEqual([clock.glassMs, clock.screenMs], [60, 40]);
  for (let i = 0; i < 200; i += 1) {
    clock.add({ expectedDisplayTime: 1000, captureTime: 900 });
  }
  assert.equal(clock.glassMs, 100, 'old ones are forgotten');
});
