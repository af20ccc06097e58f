/* HTTPS and WSS in the server itself: a browser watches, and goes on when the certificate changes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { framesDecoded, openViewer, startAmphi, startBrowser, until } from './lib.mjs';

let folder, amphi, browser;
const file = (name) => path.join(folder, name);

function makeCertificate(name) {
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext',
    'subjectAltName=IP:127.0.0.1', '-keyout', file('key.pem'), '-out', file('cert.pem')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/* The name in the certificate that a new connection gets. */
function nameNow() {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: new URL(amphi.origin).port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'amphi-tls-'));
  makeCertificate('first');
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // its certificate is its own
  amphi = await startAmphi(['--source', 'pattern:640x360', '--fps', '15',
    '--tls-cert', file('cert.pem'), '--tls-key', file('key.pem')]);
  browser = await startBrowser({ flags: ['--ignore-certificate-errors'] });
});

after(async () => {
  await browser?.close();
  await amphi?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a viewer watches over TLS, and goes on when the certificate changes', { timeout: 60000 }, async () => {
  assert.match(amphi.url, /^https:/);
  const page = await openViewer(browser.context, amphi.url);
  await until('pictures are decoded', async () => (await framesDecoded(page)) > 10);
  assert.equal(await page.evaluate(() => window.isSecureContext), true);
  assert.equal(await nameNow(), 'first');

  makeCertificate('second');
  amphi.child.kill('SIGHUP');
  await until('new connections get the new certificate', async () => (await nameNow()) === 'second');
  const before = await framesDecoded(page);
  await until('pictures go on', async () => (await framesDecoded(page)) > before + 10);
  const { rooms } = await amphi.stats();
  assert.equal(rooms[0].viewers_peak ?? rooms[0].viewers, 1, 'it has not joined again');
});

test('plain HTTP is sent on', async () => {
  const answer = await fetch(amphi.url.replace('https:', 'http:'), { redirect: 'manual' });
  assert.equal(answer.status, 307);
  assert.equal(answer.headers.get('location'), amphi.url);
});
