import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeFromPath, isCode, normalizeCode } from '../../signaling/web/roomcode.js';

test('what people type and paste becomes a code', () => {
  for (const typed of [
    'SWIFT-OTTER-042', ' swift-otter-042 ', 'swift otter 042', 'Swift_Otter–042', 'swift - otter - 042',
    'https://example.org/SWIFT-OTTER-042', 'example.org/swift-otter-042/?x=1#y', '/SWIFT-OTTER-042',
  ]) {
    assert.equal(normalizeCode(typed), 'SWIFT-OTTER-042', typed);
  }
});

test('what is not a code is not taken for one', () => {
  assert.ok(isCode('SWIFT-OTTER-042'));
  for (const wrong of ['', 'SWIFT', 'SWIFT-OTTER', 'SWIFT-OTTER-42', 'SWIFT-OTTER-0421', 'SWIFT-OTTER-042-1', 'SW1FT-OTTER-042']) {
    assert.ok(!isCode(wrong), wrong);
  }
});

test('the path of the viewer page is the room', () => {
  assert.equal(codeFromPath('/SWIFT-OTTER-042'), 'SWIFT-OTTER-042');
  assert.equal(codeFromPath('/swift-otter-042/'), 'SWIFT-OTTER-042');
  assert.equal(codeFromPath('/'), '');
  assert.equal(codeFromPath('/%E0%A4%A'), '%E0%A4%A');
});
