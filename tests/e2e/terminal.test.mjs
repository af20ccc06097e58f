/* The terminal interface: the tests themselves are in Python, which has a terminal to read. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT, start } from './lib.mjs';

const AMPHI = process.env.AMPHI ?? path.join(ROOT, 'build/release/amphi');

for (const name of ['a_broadcast_is_run_from_the_keys',
  'the_terminal_is_given_back_whatever_happens', 'publishing_shows_how_it_goes',
  'without_a_terminal_there_are_lines']) {
  test(name.replaceAll('_', ' '), { timeout: 60000 }, async () => {
    const run = start('/usr/bin/python3',
      [path.join(ROOT, 'tests/e2e/terminal.py'), AMPHI, `Tests.test_${name}`]);
    const { code } = await run.exited;
    assert.equal(code, 0, run.stderr);
  });
}
