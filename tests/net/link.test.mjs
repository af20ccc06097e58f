/* The link on a virtual clock: each impairment by itself, from a seed, and its limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Link, seeded } from './link.mjs';

const SIZE = 1000;

/** What n datagrams, one each `every` ms, become: a list of lists of arrivals. */
const send = (link, n, { every = 1, from = 0, size = SIZE } = {}) =>
  Array.from({ length: n }, (_, i) => link.pass(from + i * every, size));

const share = (passed) => passed.filter((arrivals) => arrivals.length === 0).length / passed.length;

test('the same seed is the same network, another one another', () => {
  const settings = { loss: 0.1, delay: 50, jitter: 20, reorder: 0.05, duplicate: 0.05 };
  const first = send(new Link(7, settings), 500);
  assert.deepEqual(send(new Link(7, settings), 500), first);
  assert.notDeepEqual(send(new Link(8, settings), 500), first);
});

test('the seeded numbers are evenly spread', () => {
  const random = seeded(1), tenths = new Array(10).fill(0);
  for (let i = 0; i < 10000; i++) {
    tenths[Math.floor(random() * 10)]++;
  }
  assert.ok(tenths.every((n) => n > 850 && n < 1150), tenths.join());
});

test('a perfect link passes everything at once', () => {
  const link = new Link(1);
  assert.deepEqual(send(link, 3), [[0], [1], [2]]);
  assert.deepEqual(link.counters,
    { in: 3, out: 3, lost: 0, dark: 0, full: 0, duplicated: 0, reordered: 0 });
});

test('loss is as large as set, none and all included', () => {
  assert.ok(Math.abs(share(send(new Link(1, { loss: 0.05 }), 20000)) - 0.05) < 0.006);
  assert.equal(share(send(new Link(1, { loss: 0 }), 1000)), 0);
  assert.equal(share(send(new Link(1, { loss: 1 }), 1000)), 1);
});

test('burst loss comes in runs as long as the bad state lasts', () => {
  const link = new Link(1, { burst: { enter: 0.01, leave: 0.2, loss: 1 } });
  const lost = send(link, 50000).map((arrivals) => arrivals.length === 0);
  const runs = lost.filter((bad, i) => bad && !lost[i - 1]).length;
  const n = lost.filter(Boolean).length;
  assert.equal(link.counters.lost, n);
  assert.ok(Math.abs(n / runs - 5) < 0.8, `${n / runs} in a run`); // 1 / leave
  assert.ok(Math.abs(n / lost.length - 1 / 21) < 0.01, `${n} lost`); // enter / (enter + leave)
});

test('jitter delays by no more than set and keeps the order', () => {
  const passed = send(new Link(1, { delay: 50, jitter: 30 }), 2000).map(([at], i) => ({ at, i }));
  assert.ok(passed.every(({ at, i }) => at >= i + 50 && at <= i + 80));
  assert.ok(passed.every(({ at }, i) => i === 0 || at >= passed[i - 1].at));
  assert.ok(new Set(passed.map(({ at, i }) => Math.round(at - i))).size > 10);
});

test('what is reordered is overtaken by what follows it', () => {
  const link = new Link(1, { delay: 10, reorder: 0.1, reorderBy: 5 });
  const at = send(link, 1000).map(([arrival]) => arrival);
  const overtaken = at.filter((arrival, i) => at[i + 1] < arrival).length;
  assert.ok(link.counters.reordered > 60 && link.counters.reordered < 140);
  assert.ok(overtaken > 40);
});

test('duplicates are counted and arrive twice', () => {
  const link = new Link(1, { duplicate: 0.1 });
  const twice = send(link, 1000).filter((arrivals) => arrivals.length === 2).length;
  assert.equal(link.counters.duplicated, twice);
  assert.equal(link.counters.out, 1000 + twice);
  assert.ok(twice > 60 && twice < 140);
});

test('a bottleneck passes its rate, delays by its queue and drops what does not fit', () => {
  const link = new Link(1, { rate: 1e6, queue: 10 * SIZE }); // a datagram takes 8 ms
  const passed = send(link, 1000); // 8 Mbit/s
  const arrivals = passed.flat();
  assert.equal(arrivals.length + link.counters.full, 1000);
  assert.ok(Math.abs(arrivals.length - 1000 / 8 - 10) <= 1, `${arrivals.length} passed`);
  for (let i = 1; i < arrivals.length; i++) {
    assert.ok(arrivals[i] - arrivals[i - 1] >= 8 - 1e-6);
  }
  assert.ok(passed.every(([at], i) => at === undefined || at - i <= 80 + 1e-6));
  assert.deepEqual(link.pass(5000, SIZE), [5008]); // the queue is empty again
});

test('a blackout passes nothing, then everything', () => {
  const link = new Link(1);
  link.blackout(100);
  const passed = send(link, 200);
  assert.ok(passed.every((arrivals, i) => (arrivals.length === 1) === (i >= 100)));
  assert.equal(link.counters.dark, 100);
});

test('a change on the way counts from then on and leaves the rest as it was', () => {
  const same = new Link(3, { loss: 0.1 }), changed = new Link(3, { loss: 0.1 });
  send(same, 100);
  send(changed, 100);
  changed.set({ delay: 10 });
  const before = send(same, 100, { from: 100 }), after = send(changed, 100, { from: 100 });
  assert.deepEqual(after, before.map((arrivals) => arrivals.map((at) => at + 10)));
});

test('what is unknown or out of range is refused, and nothing of it is set', () => {
  const link = new Link(1);
  for (const wrong of [{ loss: 1.1 }, { loss: -0.1 }, { delay: NaN }, { delay: '5' }, { lost: 0.1 },
    { burst: { enter: 0.1, leave: 0.1 } }, { queue: 1e12 }]) {
    assert.throws(() => link.set({ jitter: 5, ...wrong }), RangeError);
  }
  assert.equal(link.settings.jitter, 0);
});
