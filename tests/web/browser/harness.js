/* What the browser tests need: the pages behind the real Content-Security-Policy, a signaling server
 * that can be told to misbehave, and a presenter, which is a second page with a canvas and one
 * RTCPeerConnection per viewer. Everything listens on loopback only. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { chromium } from 'playwright-core';
import { WebSocketServer } from 'ws';

const WEB = new URL('../../../signaling/web/', import.meta.url);
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
  + "connect-src 'self' ws: wss:; media-src 'self' blob:; base-uri 'none'; form-action 'self'; "
  + "frame-ancestors 'self'";
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export const ROOM = 'SWIFT-OTTER-042';

const PAGES = { '/': 'index.html', '/present': 'present.html', '/admin': 'admin.html' };
const MOCKS = { '/mock/presenter': 'presenter.html', '/mock/presenter.js': 'presenter-page.js', '/mock/stage': 'stage.html', '/mock/stage.js': 'stage-page.js' };

function fileOf(path) {
  if (MOCKS[path]) {
    return new URL(MOCKS[path], import.meta.url);
  }
  const asset = /^\/assets\/((?:examples\/)?[a-z]+\.(?:js|css|svg|html))$/.exec(path);
  return new URL(asset ? asset[1] : PAGES[path] ?? 'viewer.html', WEB);
}

async function bodyOf(request) {
  const parts = await request.toArray();
  return parts.length > 0 ? JSON.parse(Buffer.concat(parts)) : {};
}

/* Pages, and what `api` of the hub answers: {status, json} for a method and a path. */
async function serve(hub, request, response) {
  const { pathname } = new URL(request.url, 'http://localhost');
  const answer = pathname.startsWith('/api/') && hub.api?.(request.method, pathname, await bodyOf(request), request.headers);
  if (answer) {
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.json));
    return;
  }
  const file = fileOf(pathname);
  try {
    const body = await readFile(file);
    response.setHeader('content-type', TYPES[extname(file.pathname)]);
    response.setHeader('content-security-policy', CSP);
    response.setHeader('x-content-type-options', 'nosniff');
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

/* The signaling side. `rooms`, `password`, `refuse` and `offers` may be changed at any time. */
export class Hub {
  constructor() {
    this.rooms = new Set([ROOM]);
    this.password = '';
    this.refuse = false; // new sockets are closed at once, as by a server that is down
    this.streams = [];
    this.viewers = new Map(); // peerId -> socket
    this.joins = 0;
    this.received = []; // every message of every viewer
    this.presenter = null;
    this.sharer = null; // of a room's presenter page: (socket, its join), see stage.js
    this.api = null;
  }

  onViewer(socket) {
    if (this.refuse) {
      socket.terminate();
      return;
    }
    socket.on('message', (data) => {
      const message = JSON.parse(data);
      this.received.push(message);
      if (this.sharer && (message.role === 'sharer' || socket.sharing)) {
        this.sharer(socket, message);
      } else if (message.type === 'join') {
        this.#join(socket, message);
      } else if (message.type === 'ping') {
        this.#send(socket, { type: 'pong', t: message.t });
      } else if (message.type === 'answer' || message.type === 'ice') {
        this.#send(this.presenter, message);
      }
    });
    socket.on('close', () => this.viewers.delete(socket.peerId));
  }

  onPresenter(socket) {
    this.presenter = socket;
    socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.type === 'streams') {
        this.streams = message.streams;
        this.broadcast({ type: 'streams-info', streams: this.streams });
        for (const peerId of this.viewers.keys()) {
          this.#send(this.presenter, { type: 'viewer', peerId });
        }
      } else {
        this.#send(this.viewers.get(message.peerId), message);
      }
    });
  }

  tell(message) {
    this.#send(this.presenter, message);
  }

  broadcast(message) {
    for (const socket of this.viewers.values()) {
      this.#send(socket, message);
    }
  }

  dropViewers() {
    for (const socket of this.viewers.values()) {
      socket.terminate();
    }
    this.viewers.clear();
  }

  #send(socket, message) {
    socket?.send(JSON.stringify(message));
  }

  #join(socket, { room, password = '' }) {
    if (!this.rooms.has(room)) {
      this.#send(socket, { type: 'error', code: 'room-not-found', error: `no room ${room}` });
      socket.close();
      return;
    }
    if (this.password && password !== this.password) {
      const type = password ? 'password-invalid' : 'password-required';
      this.#send(socket, { type, error: password ? 'Wrong password, try again.' : 'A password is needed.' });
      return;
    }
    this.joins += 1;
    socket.peerId = `v${this.joins}`;
    this.viewers.set(socket.peerId, socket);
    this.#send(socket, {
      type: 'joined', room, role: 'viewer', peerId: socket.peerId, protocol: 1, iceServers: [], viewers: 1,
    });
    this.#send(socket, { type: 'streams-info', streams: this.streams });
    if (this.streams.length > 0) {
      this.#send(this.presenter, { type: 'viewer', peerId: socket.peerId });
    }
  }
}

/* Polls until `check` gives something truthy, which it may promise (waitForFunction takes a promise itself for true); an error that says what was awaited otherwise. */
export async function until(what, check, within = 20000) {
  for (const end = Date.now() + within; !(await check());) {
    if (Date.now() > end) {
      throw new Error(`not within ${within} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/* Starts the server; {hub, url, close()}. */
export async function startServer() {
  const hub = new Hub();
  const server = createServer((request, response) => serve(hub, request, response));
  const viewers = new WebSocketServer({ noServer: true, handleProtocols: (offered) => offered.has('amphi.v1') && 'amphi.v1' });
  const presenters = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const mock = request.url === '/mock/ws';
    const target = mock ? presenters : viewers;
    target.handleUpgrade(request, socket, head, (ws) => (mock ? hub.onPresenter(ws) : hub.onViewer(ws)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    viewers.clients.forEach((client) => client.terminate());
    presenters.clients.forEach((client) => client.terminate());
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { hub, url: `http://127.0.0.1:${server.address().port}`, close };
}

export function launchBrowser(more = []) {
  return chromium.launch({
    executablePath: process.env.AMPHI_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...more,
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-features=WebRtcHideLocalIpsWithMdns',
      '--allow-loopback-in-peer-connection', '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
    ],
  });
}

/* A page with a canvas that is broadcast to every viewer; ready when the hub knows its streams. */
export async function startPresenter(browser, { url, hub }, { streams = 1, audio = false } = {}) {
  const page = await browser.newPage();
  await page.goto(`${url}/mock/presenter?streams=${streams}${audio ? '&audio' : ''}`);
  await page.waitForFunction(() => window.ready === true);
  await until('the streams are known', () => hub.streams.length === streams);
  return page;
}
