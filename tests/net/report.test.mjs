/* The matrix's figures and goals, from cells that are made up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { between } from './cells.mjs';
import { NEVER, freezesOf, goals, loadGoals, table } from './report.mjs';

const near = { fps: 20, psnr: 40, latencyMs: 10, lost: 0, nacks: 0, plis: 0,
  freezes: { count: 0, perMinute: 0, longest: 0, mean: 0 } };
const cell = (loss, rtt, name, gapsMs = [], more = {}) => ({ loss, rtt, name, fps: 20, psnr: 40,
  firstFrameMs: 300, addedMs: rtt / 2, lost: 1, repaired: 1, reloaded: false, near,
  freezes: freezesOf([{ gapsMs, ms: 60000 }]), ...more });

test('freezes are counted over the time that was watched', () => {
  assert.deepEqual(freezesOf([{ gapsMs: [300], ms: 15000 }, { gapsMs: [500], ms: 15000 }]),
    { count: 2, perMinute: 4, mean: 400, longest: 500 });
  assert.deepEqual(freezesOf([{ gapsMs: [], ms: 60000 }]), { count: 0, perMinute: 0, mean: 0, longest: 0 });
});

test('what lies between two stretches is no freeze', () => {
  const look = (at, gapsMs) => ({ at, gapsMs, presented: at / 50, psnr: [40], delaysMs: [10], lost: 0,
    repaired: 0, nacks: 0, plis: 0 });
  const found = between([look(0, []), look(30000, [])], [look(33000, [3100]), look(63000, [3100, 250])]);
  assert.equal(found.freezes.count, 1);
  assert.equal(found.freezes.perMinute, 1);
  assert.equal(found.fps, 20);
});

test('goals are met, missed or not spoken of', () => {
  const met = goals([cell(2, 50, 'none'), cell(5, 50, 'none', [])], near);
  assert.ok(met.every((line) => !line.includes('missed')), met.join('\n'));
  assert.ok(!met.some((line) => line.includes('blackout')));
  const missed = goals([cell(2, 50, 'none', [250]), cell(5, 50, 'none', [250, 250]),
    cell(0, 0, 'blackout', [], { backMs: NEVER }), cell(0, 0, 'rebind', [], { backMs: 90, reloaded: true })],
  near).filter((line) => line.includes('missed'));
  assert.deepEqual(missed.map((line) => line.match(/in (\d of \d)/)[1]), ['1 of 1', '1 of 1', '2 of 2']);
});

test('a neighbour that sees anything is told of', () => {
  const hurt = { ...near, lost: 1, psnr: 30 };
  const lines = goals([cell(2, 50, 'none', [], { near: hurt })], near);
  assert.equal(lines.filter((line) => line.includes('missed')).length, 2);
  const crowd = cell(2, 50, 'none', [], { lostForGood: 0, near: { ...near, plis: 1 } });
  assert.equal(loadGoals([crowd]).filter((line) => line.includes('missed')).length, 1);
});

test('a cell that failed has a row, and misses its goals', () => {
  const failed = { loss: 2, rtt: 50, name: 'none', error: 'not over' };
  const rows = table([failed, cell(0, 0, 'none')]).split('\n');
  assert.match(rows[2], /failed: not over/);
  assert.ok(rows.every((row) => row.split('|').length === rows[0].split('|').length));
  assert.match(goals([failed], near)[0], /missed in 1 of 1.*failed/);
});
