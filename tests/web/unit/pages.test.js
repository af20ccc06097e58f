/* What a server can get wrong about static pages, without a browser. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { commandOf } from '../../../signaling/web/controls.js';

const WEB = new URL('../../../signaling/web/', import.meta.url);
const read = (name) => readFileSync(new URL(name, WEB), 'utf8');
const files = readdirSync(WEB);
const pages = files.filter((name) => name.endsWith('.html'));
const assets = (text) => [...text.matchAll(/\/assets\/([\w.-]+)/g)].map((match) => match[1]);

test('every asset a page names exists', () => {
  for (const page of pages) {
    for (const name of assets(read(page))) {
      assert.ok(files.includes(name), `${page} names ${name}`);
    }
  }
});

test('every file that is served is used by a page', () => {
  const imports = files.filter((name) => name.endsWith('.js')).flatMap((name) => [...importsOf(name), ...laterImportsOf(name)]);
  const used = new Set([...pages, ...pages.flatMap((page) => assets(read(page))), ...imports]);
  for (const name of files.filter((file) => /\.(js|css|svg|html)$/.test(file))) {
    assert.ok(used.has(name), `${name} is not used`);
  }
});

function importsOf(name) {
  return [...read(name).matchAll(/from '\.\/([\w.-]+)'/g)].map((match) => match[1]);
}

/* What programs that use amphi.js load, and the pages do not. */
function laterImportsOf(name) {
  return [...read(name).matchAll(/import\('\.\/([\w.-]+)'/g)].map((match) => match[1]);
}

test('pages ask for all their modules at once', () => {
  for (const name of ['viewer', 'present', 'admin']) {
    const wanted = new Set();
    const visit = (module) => importsOf(module).forEach((next) => wanted.has(next) || (wanted.add(next), visit(next)));
    visit(`${name}.js`);
    const preloaded = [...read(`${name}.html`).matchAll(/modulepreload" href="\/assets\/([\w.-]+)"/g)].map((m) => m[1]);
    assert.deepEqual(preloaded.sort(), [...wanted].sort(), name);
  }
});

test('nothing in the pages needs more than the content security policy allows', () => {
  for (const page of pages) {
    const html = read(page);
    assert.doesNotMatch(html, /\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)|https?:\/\/(?!www\.w3\.org)/i, page);
  }
});

test('shortcuts leave typing and the browser alone', () => {
  const press = (key, rest = {}) => commandOf({ key, target: null, ...rest });
  assert.equal(press('f'), 'fullscreen');
  assert.equal(press('F'), 'fullscreen');
  assert.equal(press('?'), 'help');
  assert.equal(press('3'), 'native');
  assert.equal(press('Escape'), 'escape');
  assert.equal(press('x'), undefined);
  assert.equal(press('f', { ctrlKey: true }), undefined);
  assert.equal(press('f', { repeat: true }), undefined);
  // What closest() finds for each selector that is asked for.
  const within = (found) => ({ target: { closest: (selector) => found[selector] ?? null } });
  assert.equal(press('f', within({ 'input, textarea, select': {} })), undefined);
  assert.equal(press('f', within({ dialog: { open: true } })), undefined);
  assert.equal(press('f', within({ dialog: { open: false }, 'input, textarea, select': {} })), 'fullscreen');
});

/* What signaling/embed.cmake leaves out is of use to people only. */
function served(name) {
  const text = `\n${read(name)}`;
  if (!/\.(js|css|html)$/.test(name)) {
    return text.slice(1);
  }
  const plain = text.replace(/\n[ \t]*\/\*([^*]|\*+[^*/])*\*+\/[ \t]*(?=\n)/g, '').replace(/\n[ \t]*\/\/[^\n]*/g, '');
  return plain.replace(/\n\s+/g, '\n').slice(1);
}

test('the viewer page is less than 150 KB in all, before it is packed', () => {
  const wanted = new Set(['viewer.html', ...assets(read('viewer.html'))]);
  wanted.forEach((name) => name.endsWith('.js') && importsOf(name).forEach((next) => wanted.add(next)));
  const bytes = [...wanted].reduce((sum, name) => sum + Buffer.byteLength(served(name)), 0);
  assert.ok(bytes > 50000 && bytes < 150000, `${bytes} bytes in ${wanted.size} files`);
});

test('no script has a string of several lines: their indentation is not served', () => {
  for (const name of files.filter((file) => file.endsWith('.js'))) {
    const ticks = read(name).split('\n').filter((line) => line.replace(/\\`/g, '').split('`').length % 2 === 0);
    assert.deepEqual(ticks, [], name);
  }
});
