/* amphi.js as a package: what `npm pack` makes can be loaded, and its types are those of the code. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const WEB = here('../../../signaling/web');

let folder;
let packed; // the package as somebody's node_modules has it

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amphi-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: WEB });
  packed = join(folder, 'node_modules/amphi-client');
  await mkdir(packed, { recursive: true });
  await run('tar', ['xzf', join(folder, JSON.parse(stdout)[0].filename), '-C', packed, '--strip-components=1']);
});

after(() => rm(folder, { recursive: true, force: true }));

test('it has all that it imports, its licence, and no page', async () => {
  const names = await readdir(packed);
  for (const name of names.filter((file) => file.endsWith('.js'))) {
    const text = await readFile(join(packed, name), 'utf8');
    for (const [, wanted] of text.matchAll(/(?:from|import\() ?'\.\/([\w.-]+)'/g)) {
      assert.ok(names.includes(wanted), `${name} imports ${wanted}`);
    }
  }
  assert.ok(names.includes('LICENSE') && names.includes('README.md') && names.includes('examples'));
  assert.deepEqual(names.filter((name) => /viewer|present\.|admin|html$|css$/.test(name)), []);
  assert.ok(!(await readdir(WEB)).includes('LICENSE'));
});

test('it has the version of the program', async () => {
  const { version } = JSON.parse(await readFile(join(packed, 'package.json'), 'utf8'));
  const cmake = await readFile(here('../../../CMakeLists.txt'), 'utf8');
  assert.equal(version, /project\(amphi VERSION ([\d.]+)/.exec(cmake)[1]);
});

test('it can be imported by its name, and each export has a type', async () => {
  const script = join(folder, 'use.mjs');
  await writeFile(script, "import * as amphi from 'amphi-client'; console.log(Object.keys(amphi).join(' '));");
  const { stdout } = await run('node', [script]);
  const types = await readFile(join(packed, 'amphi.d.ts'), 'utf8');
  const declared = [...types.matchAll(/^export (?:const|class|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(stdout.trim().split(' ').sort(), declared.sort());
});

test('what programs write is what the types say', async () => {
  await writeFile(join(folder, 'use.ts'), await readFile(here('../types/use.ts'), 'utf8'));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  const options = ['--noEmit', '--strict', '--noUncheckedIndexedAccess', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom'];
  await run('node', [here('../../node_modules/typescript/bin/tsc'), ...options, 'use.ts'], { cwd: folder })
    .catch((error) => assert.fail(error.stdout || error.message));
});

test('the examples are of ten lines', async () => {
  for (const name of ['watch.js', 'publish.js']) {
    const lines = (await readFile(join(WEB, 'examples', name), 'utf8')).trimEnd().split('\n').filter((line) => line.trim());
    assert.ok(lines.length <= 10, `${name} has ${lines.length}`);
  }
});
