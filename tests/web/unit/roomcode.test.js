import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeFromPath, isCode, normalizeCode } from '../../../signaling/web/roomcode.js';

test('what people type and paste becomes a code', () => {
  for (const typed of [
    'SWIFT-OTTER-042', ' swift-otter-042 ', 'swift otter 042', 'Swift_Otter–042', 'swift - otter - 042',
    'https://example.org/SWIFT-OTTER-042', 'example.org/swift-otter-042/?x=1#y', '/SWIFT-OTTER-042',
  ]) {
    assert.equal(normalizeCode(typed), 'SWIFT-OTTER-042', typed);
  }
});

test('what is not a code is not taken for one', () => {
  for (const right of ['SWIFT-OTTER-042', 'DEMO', '7', 'A'.repeat(63)]) {
    assert.ok(isCode(right), right);
  }
  for (const wrong of ['', 'A'.repeat(64), 'ÄRGER-1', 'A/B', 'A.B', 'swift-otter-042', 'A B']) {
    assert.ok(!isCode(wrong), wrong);
  }
});

test('the path of the viewer page is the room', () => {
  assert.equal(codeFromPath('/SWIFT-OTTER-042'), 'SWIFT-OTTER-042');
  assert.equal(codeFromPath('/swift-otter-042/'), 'SWIFT-OTTER-042');
  assert.equal(codeFromPath('/'), '');
  assert.equal(codeFromPath('/%E0%A4%A'), '%E0%A4%A');
});
