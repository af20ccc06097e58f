import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Selector, selectionOf } from '../../../signaling/web/selection.js';

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

test('the watched one at its best, thumbnails small', () => {
  assert.deepEqual(choices({}), [FULL, small(0), small(1)]);
  assert.deepEqual(choices({ watched: ['video1', 'video0'] }), [FULL, FULL, small(1)]);
  assert.deepEqual(choices({ watched: [] }), [small(2), small(0), small(1)]);
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
    assert.deepEqual(choices({ streams: [{ trackId: 'a', layers }], watched: [] }), [small(0)]);
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
    streams: [{ trackId: 'video1', ...small(0) }, { trackId: 'video2', ...small(1) }],
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
