/* What is done to a server while people watch: it is drained, and told its options anew. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { test } from 'node:test';
import { ROOT, TOKEN, framesDecoded, openWhep, start, startAmphi, startBrowser, until } from './lib.mjs';

const SMALL = ['--source', 'pattern:384x240', '--fps', '15'];
const post = (amphi, where, body = '{}', type = 'application/json') =>
  fetch(`${amphi.origin}${where}`, { method: 'POST', headers: { 'Content-Type': type }, body });

test('a server that drains lets its viewers watch on, and takes nobody new', { timeout: 60000 },
  async () => {
    const amphi = await startAmphi([...SMALL, '--drain-timeout', '50', '--open-rooms', 'yes']);
    const browser = await startBrowser();
    try {
      const { page } = await openWhep(browser.context, amphi.origin);
      await until('it plays', () => framesDecoded(page));
      amphi.child.kill('SIGTERM');
      const ready = await until('it says so', async () => {
        const answer = await fetch(`${amphi.origin}/readyz`);
        return answer.status === 503 && answer;
      });
      assert.match(await ready.text(), /draining/);
      assert.equal((await fetch(`${amphi.origin}/healthz`)).status, 200);
      assert.equal((await amphi.stats()).draining, true);
      const late = await openWhep(browser.context, amphi.origin);
      assert.equal(late.answer.status, 503);
      assert.equal((await post(amphi, '/api/v1/rooms')).status, 503);
      const before = await framesDecoded(page);
      await until('who was there watches on', async () => (await framesDecoded(page)) > before + 5);
      const began = Date.now();
      await page.evaluate(() => window.whep.pc.close());
      const how = await amphi.exited;
      assert.equal(how.code, 0, amphi.stderr.slice(-2000));
      assert.ok(Date.now() - began < 20000, 'it ends when the last one has left');
    } finally {
      await amphi.stop('SIGKILL');
      await browser.close();
    }
  });

test('asked twice, it ends at once', { timeout: 30000 }, async () => {
  const amphi = await startAmphi([...SMALL, '--drain-timeout', '60']);
  const browser = await startBrowser();
  try {
    const { page } = await openWhep(browser.context, amphi.origin);
    await until('it plays', () => framesDecoded(page));
    amphi.child.kill('SIGTERM');
    await until('it drains', async () => (await amphi.stats()).draining);
    amphi.child.kill('SIGTERM');
    assert.deepEqual(await amphi.exited, { code: 0, signal: null });
  } finally {
    await amphi.stop('SIGKILL');
    await browser.close();
  }
});

test('options are read anew at SIGHUP; a bad file changes nothing', { timeout: 30000 }, async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'amphi-options-'));
  const file = path.join(folder, 'amphi.json');
  const write = (options) => writeFileSync(file, JSON.stringify(options));
  write({ 'open-rooms': 'no' });
  const amphi = await startAmphi([...SMALL, '--config', file]);
  const about = async () => (await fetch(`${amphi.origin}/api/v1/rooms/TEST-ROOM-001`)).json();
  try {
    assert.equal((await post(amphi, '/api/v1/rooms')).status, 401);
    assert.equal((await about()).password_required, false);
    write({ 'open-rooms': 'yes', password: 'sesame' });
    amphi.child.kill('SIGHUP');
    await until('it has a password', async () => (await about()).password_required);
    assert.equal((await post(amphi, '/api/v1/rooms')).status, 201);
    write({ 'open-rooms': 'perhaps' });
    amphi.child.kill('SIGHUP');
    await until('it complains', () => amphi.stderr.includes('--open-rooms must be yes or no'));
    assert.equal((await about()).password_required, true);
    assert.equal((await post(amphi, '/api/v1/rooms')).status, 201);
    assert.doesNotMatch(amphi.stderr + amphi.stdout, /sesame/);
    assert.equal((await amphi.stop()).code, 0);
  } finally {
    await amphi.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});

test('a new certificate is taken at SIGHUP, and open connections go on', { timeout: 30000 }, async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'amphi-certificate-'));
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(folder, name));
  const certify = (name) => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', `/CN=${name}`, '-keyout', key, '-out', cert],
  { stdio: 'ignore' });
  certify('first.example');
  const amphi = start(path.join(ROOT, 'build/release/amphi'), ['--listen', '127.0.0.1:0', '--udp-port', '0',
    '--admin-token', TOKEN, '--tls-cert', cert, '--tls-key', key, '--drain-timeout', '0']);
  const connect = (port) => new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false },
      () => resolve({ socket, name: socket.getPeerCertificate().subject.CN }));
    socket.on('error', reject);
  });
  const ask = (socket) => new Promise((resolve) => {
    socket.once('data', (data) => resolve(`${data}`.split('\r\n')[0]));
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  });
  const current = async (port) => {
    const { socket, name } = await connect(port);
    socket.destroy();
    return name;
  };
  try {
    await until('it prints its URL', () => /watch: https:/.test(amphi.stdout));
    const port = Number(new URL(amphi.stdout.match(/watch: (\S+)/)[1]).port);
    const early = await connect(port);
    assert.equal(early.name, 'first.example');
    certify('second.example');
    amphi.child.kill('SIGHUP');
    await until('new connections get the new one', async () => (await current(port)) === 'second.example');
    assert.match(await ask(early.socket), /200/);
    writeFileSync(cert, 'nonsense');
    amphi.child.kill('SIGHUP');
    await until('it complains', () => /reload: /.test(amphi.stderr));
    assert.equal(await current(port), 'second.example');
    early.socket.destroy();
    assert.equal((await amphi.stop()).code, 0);
  } finally {
    await amphi.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
