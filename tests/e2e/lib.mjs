/* What every end-to-end test needs: an X server, the program, a browser, the statistics, and the
 * latency barcode read back from a video element. Everything started is ended by its own id. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const TOKEN = 'end-to-end-token';
export const ROOM = 'TEST-ROOM-001';

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required',
];

/** Polls `check` until it gives something truthy; an error that says what was awaited otherwise. */
export async function until(what, check, { within = 15000, every = 50 } = {}) {
  const end = Date.now() + within;
  for (;;) {
    const value = await check();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`not within ${within} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/** A child process with its output collected; `exited` resolves to {code, signal}. */
export function start(command, args, { env = {} } = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const run = { child, stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (run.stdout += data));
  child.stderr.on('data', (data) => (run.stderr += data));
  run.exited = new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: -1, signal: String(error) }));
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  run.stop = async (signal = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
    }
    return run.exited;
  };
  return run;
}

/** An X server on a display of its own; `size` is WIDTHxHEIGHT. */
export async function startDisplay(size) {
  const x = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', `${size}x24`, '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  let text = '';
  x.stdio[3].on('data', (data) => (text += data));
  const exited = new Promise((resolve) => x.on('close', resolve));
  await until('Xvfb names its display', () => text.includes('\n'));
  return {
    display: `:${text.trim()}`,
    stop: () => {
      x.kill('SIGTERM');
      return exited;
    },
  };
}

/** Windows on that display: `ask` gives xwindows an order and resolves to its answer. */
export async function startWindows(display) {
  const child = spawn(path.join(ROOT, 'build/release/tests/e2e/xwindows'), [], {
    env: { ...process.env, DISPLAY: display.display },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.on('close', resolve));
  const answers = [];
  let text = '';
  child.stdout.on('data', (data) => {
    const lines = (text + data).split('\n');
    text = lines.pop();
    answers.push(...lines);
  });
  return {
    ask: async (order) => {
      child.stdin.write(`${order}\n`);
      await until(`an answer to ${order}`, () => answers.length > 0, { every: 5 });
      const answer = answers.shift();
      if (answer === 'what?') {
        throw new Error(`xwindows does not understand: ${order}`);
      }
      return answer;
    },
    stop: () => {
      child.stdin.end();
      return exited;
    },
  };
}

/** The program on free loopback ports, from build/`build`; resolves once it has printed its URL and, unless
 * it has no room of its own (`empty`), its source is live. */
export async function startAmphi(args, { build = 'release', env = {}, empty = false } = {}) {
  const run = start(
    path.resolve(ROOT, 'build', build, 'amphi'),
    ['--listen', '127.0.0.1:0', '--udp-port', '0', '--advertise', '127.0.0.1', ...(empty ? [] : ['--room', ROOM]),
      '--admin-token', TOKEN, '--drain-timeout', '0', ...args],
    { env },
  );
  let ended = null;
  run.exited.then((how) => (ended = how));
  await until('amphi prints its URL', () => {
    if (ended) {
      throw new Error(`amphi ended with ${ended.code}: ${run.stderr}`);
    }
    return /watch: \S+/.test(run.stdout);
  });
  run.url = run.stdout.match(/watch: (\S+)/)[1];
  run.origin = new URL(run.url).origin;
  run.stats = async () => {
    const answer = await fetch(`${run.origin}/api/v1/stats?viewers=1`, {
      headers: { Authorization: `Bearer ${TOKEN}` },
    });
    if (answer.status !== 200) {
      throw new Error(`stats: ${answer.status}`);
    }
    return answer.json();
  };
  await until('the source is live', async () => empty || (await run.stats()).rooms[0].streams[0].live);
  return run;
}

/** Chromium with a profile of its own, as a process that can also be killed. */
export async function startBrowser({ executablePath = '/usr/bin/chromium', flags = [] } = {}) {
  const profile = mkdtempSync(path.join(os.tmpdir(), 'amphi-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: false,
    args: ['--headless=new', ...CHROMIUM_FLAGS, ...flags],
    viewport: { width: 1280, height: 800 },
  });
  return {
    context,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

/** A page that watches through the WebSocket API: the viewer page itself. */
export async function openViewer(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** A page that watches through WHEP, with nothing of the viewer page in it. */
export async function openWhep(context, origin) {
  const page = await context.newPage();
  await page.goto(origin);
  const answer = await page.evaluate(async (room) => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver('video', { direction: 'recvonly' });
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    document.body.append(video);
    pc.ontrack = ({ track, receiver }) => {
      receiver.jitterBufferTarget = 0;
      video.srcObject = new MediaStream([track]);
      video.play();
    };
    await pc.setLocalDescription();
    const response = await fetch(`/whep/${room}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: pc.localDescription.sdp,
    });
    const sdp = await response.text();
    if (response.status === 201) {
      await pc.setRemoteDescription({ type: 'answer', sdp });
    }
    window.whep = { pc, location: response.headers.get('Location') };
    return { status: response.status, location: window.whep.location, sdp,
      etag: response.headers.get('ETag'), link: response.headers.get('Link') };
  }, ROOM);
  return { page, answer };
}

/** An admin call; {status, body}. */
export async function admin(amphi, method, path, body) {
  const answer = await fetch(`${amphi.origin}${path}`, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}`, ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

/** Begins to read the barcode of each presented frame of the page's (first playing) video, whose
 * source is `sourceWidth` wide: 0 if it is as wide as it is received. */
export async function watchBarcode(page, sourceWidth = 0) {
  await page.waitForFunction(() => {
    const video = [...document.querySelectorAll('video')].find((v) => v.videoWidth > 0);
    window.watched = video;
    return Boolean(video);
  });
  await page.evaluate((width) => {
    const CELL = 16, COLUMNS = 24, ROWS = 2, SYNC = 0b10110010, LONG_MS = 200;
    const canvas = document.createElement('canvas');
    canvas.width = CELL * COLUMNS;
    canvas.height = CELL * ROWS;
    const g = canvas.getContext('2d', { willReadFrequently: true });
    const crc8 = (value) => {
      let crc = 0xff;
      for (let i = 3; i >= 0; i--) {
        crc ^= (value >>> (8 * i)) & 255;
        for (let k = 0; k < 8; k++) {
          crc = crc & 128 ? ((crc << 1) ^ 7) & 255 : (crc << 1) & 255;
        }
      }
      return crc;
    };
    const result = { frames: 0, read: 0, bad: 0, times: new Set(), delaysMs: [], newest: 0,
      backMs: 0, mediaTime: 0, backwards: 0, shownAt: 0, gapMs: 0, gapsMs: [], widths: new Set() };
    window.barcode = result;
    let video = window.watched;
    /* for pages that go on in another element after a new connection */
    result.follow = () => {
      video = [...document.querySelectorAll('video')].find((v) => v.videoWidth > 0) ?? video;
      if (video !== window.watched) {
        window.watched = video;
        result.mediaTime = 0;
        video.requestVideoFrameCallback(onFrame);
      }
    };
    const onFrame = (_, { mediaTime }) => {
      video.requestVideoFrameCallback(onFrame);
      result.backwards += mediaTime <= result.mediaTime ? 1 : 0;
      result.mediaTime = mediaTime;
      const now = performance.timeOrigin + performance.now();
      result.frames++;
      const gap = result.shownAt && now - result.shownAt;
      result.gapMs = Math.max(result.gapMs, gap);
      if (gap > LONG_MS) {
        result.gapsMs.push(gap);
      }
      result.shownAt = now;
      result.widths.add(video.videoWidth);
      const scale = width ? video.videoWidth / width : 1;
      g.drawImage(video, 0, 0, canvas.width * scale, canvas.height * scale,
        0, 0, canvas.width, canvas.height);
      const pixels = g.getImageData(0, 0, canvas.width, canvas.height).data;
      const bit = (i) => {
        const x = (i % COLUMNS) * CELL + CELL / 2, y = Math.floor(i / COLUMNS) * CELL + CELL / 2;
        return pixels[4 * (y * canvas.width + x) + 1] > 127 ? 1 : 0;
      };
      let sync = 0, time = 0, crc = 0;
      for (let i = 0; i < 8; i++) sync = (sync << 1) | bit(i);
      for (let i = 8; i < 40; i++) time = ((time << 1) | bit(i)) >>> 0;
      for (let i = 40; i < 48; i++) crc = (crc << 1) | bit(i);
      if (sync !== SYNC || crc !== crc8(time)) {
        result.bad++;
        return;
      }
      result.read++;
      result.times.add(time);
      result.backMs = Math.max(result.backMs, (result.newest - time) / 10);
      result.newest = Math.max(result.newest, time);
      const nowTenths = Math.round(now * 10) % 2 ** 32;
      result.delaysMs.push((nowTenths - time) / 10);
    };
    video.requestVideoFrameCallback(onFrame);
  }, sourceWidth);
}

/** gapMs: the longest time between two presented frames; gapsMs: all over 200 ms; backwards: frames
 * whose media time is not later than the one before's; backMs: how much older than one before a
 * picture was at most. */
export async function readBarcode(page) {
  return page.evaluate(() => {
    const { frames, read, bad, times, delaysMs, backwards, backMs, gapMs, gapsMs, widths } =
      window.barcode;
    const sorted = [...delaysMs].sort((a, b) => a - b);
    return { frames, read, bad, distinct: times.size, medianMs: sorted[sorted.length >> 1],
      minMs: sorted[0], backwards, backMs, gapMs, gapsMs, widths: [...widths] };
  });
}

/** framesDecoded of the page's peer connection, whichever way it was made. */
export async function framesDecoded(page) {
  return page.evaluate(async () => {
    const pc = window.whep?.pc ?? window.amphi?.peerConnection;
    if (!pc) {
      return 0;
    }
    let frames = 0;
    for (const s of (await pc.getStats()).values()) {
      frames += s.type === 'inbound-rtp' && s.kind === 'video' ? s.framesDecoded : 0;
    }
    return frames;
  });
}
