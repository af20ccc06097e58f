import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Glances, Selector, layerFor, qualities, selectionOf } from '../../../signaling/web/selection.js';

const STREAMS = [
  { trackId: 'video0', layers: 3, audio: true },
  { trackId: 'video1', layers: 1, audio: false },
  { trackId: 'video2', layers: 2, audio: null },
];
const FULL = { layer: 'auto', maxTemporal: 'auto', paused: false };
const NOTHING = { layer: 'auto', maxTemporal: 'auto', paused: true };
const small = (layer) => ({ layer, maxTemporal: 0, paused: false });

const FACTS = { streams: STREAMS, watched: ['video0'], thumbnails: true, hidden: false, muted: true };
const choices = (facts) => [...selectionOf({ ...FACTS, ...facts }).values()];

test('the watched one at its best, thumbnails small, and of those that have no small size a glance', () => {
  assert.deepEqual(choices({}), [FULL, NOTHING, small(1)]);
  assert.deepEqual(choices({ glances: new Set(['video1']) }), [FULL, small(0), small(1)]);
  assert.deepEqual(choices({ watched: ['video1', 'video0'] }), [FULL, FULL, small(1)]);
  assert.deepEqual(choices({ watched: [] }), [small(2), NOTHING, small(1)]);
});

test('a picture that is paused is not sent', () => {
  assert.deepEqual(choices({ halted: true }), [NOTHING, NOTHING, NOTHING]);
});

const SIZES = [{ width: 1920, height: 1080, bitrate: 6e6 }, { width: 960, height: 540, bitrate: 15e5 }, { width: 480, height: 270, bitrate: 4e5 }];

test('the smallest layer that has every pixel that can be shown', () => {
  const stream = { layers: 3, layerSizes: SIZES };
  assert.equal(layerFor(stream, { width: 1920, height: 1080 }), 'auto');
  assert.equal(layerFor(stream, { width: 1100, height: 2000 }), 'auto');
  assert.equal(layerFor(stream, { width: 1000, height: 2000 }), 1);
  assert.equal(layerFor(stream, { width: 5000, height: 550 }), 1);
  assert.equal(layerFor(stream, { width: 200, height: 100 }), 2);
  assert.equal(layerFor(stream, null), 'auto');
  assert.equal(layerFor({ layers: 1 }, { width: 10, height: 10 }), 'auto');
});

test('a person may choose the quality, and no layer that is not there', () => {
  assert.deepEqual(choices({ quality: (id) => (id === 'video0' ? 1 : 'auto') })[0], { ...FULL, layer: 1 });
  assert.deepEqual(choices({ quality: () => 2, watched: ['video2'] })[2], { ...FULL, layer: 1 });
});

test('side by side each gets what its place can show; what is scrolled away gets nothing', () => {
  const streams = STREAMS.map((stream) => ({ ...stream, layerSizes: SIZES.slice(0, stream.layers) }));
  const seen = (width, seen) => ({ width, height: (width * 9) / 16, seen });
  const places = { video0: seen(480, true), video1: seen(480, true), video2: seen(960, false) };
  const wide = choices({ streams, layout: 'grid', watched: ['video0'], sizeOf: (id) => places[id] });
  assert.deepEqual(wide, [{ ...FULL, layer: 2 }, FULL, NOTHING]);
  const row = choices({ streams, layout: 'row', watched: ['video0'], muted: false, sizeOf: () => seen(960, false) });
  assert.deepEqual(row, [small(2), NOTHING, NOTHING], 'what is heard goes on');
  assert.deepEqual(choices({ streams, layout: 'grid', watched: [], sizeOf: () => undefined }), [FULL, FULL, FULL]);
});

test('the choices of quality are named by what the server tells of them', () => {
  assert.deepEqual(qualities({ layers: 3, layerSizes: SIZES }).map(({ label }) => label), [
    'Auto', '1920 × 1080 · 6.0 Mbit/s', '960 × 540 · 1.5 Mbit/s', '480 × 270 · 400 kbit/s',
  ]);
  assert.deepEqual(qualities({ layers: 2 }).map(({ value, label }) => `${value} ${label}`), ['auto Auto', '0 Best', '1 Small']);
  assert.equal(qualities({ layers: null }).length, 2);
});

test('glances are short, and seldom', () => {
  const glances = new Glances();
  assert.deepEqual(glances.update(['a', 'b'], 0), ['a', 'b']);
  assert.deepEqual([...glances.open], ['a', 'b']);
  const wait = glances.painted('a', 100);
  glances.close(100 + wait);
  assert.deepEqual([...glances.open], ['b']);
  assert.deepEqual(glances.update(['a', 'b'], 7000), []);
  assert.deepEqual([...glances.open], [], 'none waits for a picture without end');
  assert.deepEqual(glances.update(['a'], 8000), ['a']);
  glances.update([], 8500);
  assert.deepEqual([...glances.open], []);
});

test('what cannot be seen is not sent', () => {
  assert.deepEqual(choices({ thumbnails: false }), [FULL, NOTHING, NOTHING]);
  assert.deepEqual(choices({ hidden: true }), [NOTHING, NOTHING, NOTHING]);
});

test('a hidden page that is heard keeps the smallest picture', () => {
  assert.deepEqual(choices({ hidden: true, muted: false }), [small(2), NOTHING, NOTHING]);
  assert.deepEqual(choices({ hidden: true, muted: false, watched: ['video1'] }), [NOTHING, NOTHING, NOTHING]);
});

test('layers that make no sense are one layer', () => {
  for (const layers of [null, 0, -1, 'x', 1.5]) {
    const glances = new Set(['a']);
    assert.deepEqual(choices({ streams: [{ trackId: 'a', layers }], watched: [], glances }), [small(0)]);
  }
  assert.deepEqual(choices({ streams: [{ trackId: 'a', layers: 99 }], watched: [] }), [small(2)]);
});

test('only what has changed is said, and again when it was not heard or a join begins anew', () => {
  const sent = [];
  let open = true;
  const selector = new Selector((message) => open && sent.push(message) > 0);
  const update = (facts) => selector.update(selectionOf({ ...FACTS, ...facts }));
  update({});
  assert.deepEqual(sent[0], {
    type: 'select',
    streams: [{ trackId: 'video1', ...NOTHING }, { trackId: 'video2', ...small(1) }],
  });
  update({});
  assert.equal(sent.length, 1);
  open = false;
  update({ watched: ['video1'] });
  open = true;
  update({ watched: ['video1'] });
  assert.deepEqual(sent[1].streams, [{ trackId: 'video0', ...small(2) }, { trackId: 'video1', ...FULL }]);
  selector.reset();
  update({ watched: ['video1'] });
  assert.deepEqual(sent[2].streams.map((s) => s.trackId), ['video0', 'video2']);
  update({ streams: STREAMS.slice(0, 1) });
  assert.deepEqual(sent[3].streams, [{ trackId: 'video0', ...FULL }]);
});
