/* The amphi.v1 signaling protocol in a browser: for these pages, and for programs.
 *
 *   const broadcast = await watch('https://example.org/SWIFT-OTTER-042');     pictures to play
 *   const publisher = await publish('https://example.org/SWIFT-OTTER-042', { secret, sources });
 *
 * are all that most programs need (watch.js, publisher.js). Beneath is AmphiClient, which owns one
 * WebSocket at a time, joins, answers pings, follows redirects and comes back by itself until close().
 * It knows nothing of media: a lost socket says nothing about pictures that flow.
 *
 *   const client = new AmphiClient();
 *   client.addEventListener('offer', ({ detail }) => answer(detail.sdp, detail.peerId));
 *   client.connect('wss://example.org/ws', 'SWIFT-OTTER-042');
 *
 *   idle -> connecting -> joining -> joined -> (lost) waiting -> connecting ...
 *                           |  ^
 *                           v  | joinWith(password)
 *                         password            closed: close() was called, or trying again is no use
 *
 * Events (CustomEvent, the message or the fields below in `detail`):
 *   state    {state, reason: {code, text}|null, attempt, retryAt}   every move of the machine above
 *   joined   the message; peerId, iceServers and protocol are also properties; `resumed` is true where
 *            the media session of before goes on
 *   streams  {streams, ended}: the checked lists, also properties; on join, and whenever a stream comes,
 *            goes or changes. `ended`: [{trackId, windowName, appName, endReason}]
 *   cursor   {trackId, x, y, inView}: the presenter's pointer, in percent of the picture
 *   offer, answer {sdp, peerId}     ice      {candidate, peerId}
 *   sharer   {live, type}           password {error}
 *   error    {code, error}: the stable codes are listed in the README
 *   message  any other type: of a presenter's `audience`, `publish-config`, `viewer-joined`, `viewer-left`
 * Times are milliseconds of `now` (performance.now by default). */

import { Backoff } from './backoff.js';
import { codeFromPath } from './roomcode.js';

export const SUBPROTOCOL = 'amphi.v1';
export const CLIENT_NAME = 'amphi-web/1';

const OPEN_TIMEOUT = 8000;
const JOIN_TIMEOUT = 8000;
const PING_INTERVAL = 10000;
const SILENCE_LIMIT = 25000;
const PROBE_LIMIT = 3000;
const STABLE_AFTER = 5000;
const ERROR_CLOSES_WITHIN = 2000; // an error this fresh is why the socket closed
const MAX_REDIRECTS = 5;
const MAX_STREAMS = 8;

/* Errors that end the join, and how long to wait before asking again. The room may start later. */
const ROOM_RETRY = new Map([
  ['room-not-found', 5000],
  ['room-full', 10000],
]);

/* Errors after which another try would only do harm: to a presenter; to a viewer they mean something else. */
const FATAL_TO_SHARER = new Set(['bad-secret', 'secret-required', 'secret-invalid', 'not-supported', 'replaced', 'removed']);

/* A watch token that does not open the room: a password may. */
const TOKEN_ERRORS = new Set(['token-invalid', 'token-used']);

const OPEN = 1; // WebSocket.OPEN, also for fakes that do not carry the constants

const number = (value) => (Number.isFinite(value) && value > 0 ? value : 0);
const text = (value) => (typeof value === 'string' ? value : '');

/* One stream as the page may rely on it. `audio` is null where the server does not tell, as GoPeep's. */
function checkStream(s) {
  return {
    trackId: s.trackId,
    windowName: text(s.windowName),
    appName: text(s.appName),
    isFocused: s.isFocused === true,
    width: number(s.width),
    height: number(s.height),
    codec: text(s.codec),
    layers: s.layers ?? null,
    layerSizes: checkSizes(s.layerSizes),
    audio: typeof s.audio === 'boolean' ? s.audio : null,
    paused: s.paused === true,
    endReason: text(s.endReason),
  };
}

/* The sizes of a stream's layers, the best one first. */
function checkSizes(list) {
  const sizes = Array.isArray(list) ? list.filter((l) => number(l?.width) && number(l?.height)) : [];
  return sizes.slice(0, 3).map(({ width, height, bitrate }) => ({ width, height, bitrate: number(bitrate) }));
}

const isStream = (s) => s && typeof s === 'object' && typeof s.trackId === 'string' && s.trackId;

function checkStreams(list) {
  return Array.isArray(list) ? list.filter(isStream).slice(0, MAX_STREAMS).map(checkStream) : [];
}

function checkEnded(list) {
  return checkStreams(list).map(({ trackId, windowName, appName, endReason }) => ({
    trackId, windowName, appName, endReason,
  }));
}

/* A redirect's target as a WebSocket URL, or null when it cannot be one. */
export function socketUrl(target, base) {
  try {
    const url = new URL(target, base);
    url.protocol = url.protocol.replace(/^http/, 'ws');
    return /^wss?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/* The WebSocket and the room of a link, "https://host/CODE". */
export function readLink(link, base = globalThis.location?.href) {
  const url = new URL(link, base);
  return { socket: socketUrl('/ws', url), origin: url.origin, room: codeFromPath(url.pathname) };
}

export class AmphiClient extends EventTarget {
  #WebSocket;
  #now;
  #random;
  #backoff;
  #socket = null;
  #timer = null; // the one deadline of the current state
  #heartbeat = null;
  #probe = null;
  #home = '';
  #url = '';
  #password = '';
  #secret = '';
  #token = '';
  #resume = ''; // names the media session that a join may go on with
  #replaces = ''; // names the one that a join comes instead of: on a narrow path the two would starve each other
  #redirects = 0;
  #joinedAt = null;
  #heardAt = 0;
  #ponged = false;
  #lastError = null;

  constructor({
    WebSocket = globalThis.WebSocket,
    now = () => performance.now(),
    random = Math.random,
    backoff = new Backoff({ random }),
  } = {}) {
    super();
    this.#WebSocket = WebSocket;
    this.#now = now;
    this.#random = random;
    this.#backoff = backoff;
    this.state = 'idle';
    this.reason = null;
    this.retryAt = null;
    this.room = '';
    this.role = 'viewer';
    this.peerId = '';
    this.protocol = 0;
    this.resumed = false;
    this.iceServers = [];
    this.streams = [];
    this.ended = [];
    this.reconnecting = false; // the presenter has gone without a word, and may come back
    this.announced = false; // whether this server tells its streams at all
  }

  get attempt() {
    return this.#backoff.attempt;
  }

  /* A `sharer` shows the room's secret; a viewer its password or a watch token, where one is needed. */
  connect(url, room, { role = 'viewer', password = '', secret = '', token = '' } = {}) {
    this.#home = this.#url = url;
    this.room = room;
    this.role = role;
    this.#password = password;
    this.#secret = secret;
    this.#token = token;
    this.#resume = this.#replaces = '';
    this.#open();
  }

  /* Answers 'password'. The password is kept in memory for the reconnects of this page. */
  joinWith(password) {
    this.#password = password;
    if (this.state === 'password') {
      this.#join();
    }
  }

  /* Ends a waiting time early: the network is back, or the person looks at the page again. */
  retryNow() {
    if (this.state === 'waiting') {
      this.#open();
    }
  }

  /* A fresh socket, and so a fresh peer connection, at once. How often is the caller's care. A watch token may be
   * good for one use: then the same socket joins again, which it was let in on. */
  rejoin() {
    this.#replaces = this.#resume || this.#replaces;
    this.#resume = '';
    if (this.#token && this.state === 'joined' && this.#socket.readyState === OPEN) {
      this.#join();
    } else if (this.state !== 'idle' && this.state !== 'closed') {
      this.#open();
    }
  }

  /* Asks whether a socket that claims to be open still is; a dead one is replaced after 3 s. */
  probe() {
    if (this.state !== 'joined' || !this.#ponged || this.#probe) {
      return;
    }
    const asked = this.#now();
    this.send({ type: 'ping', t: Math.round(asked) });
    this.#probe = setTimeout(() => {
      this.#probe = null;
      if (this.#heardAt < asked) {
        this.#lost({ code: 'silent', text: '' });
      }
    }, PROBE_LIMIT);
  }

  /* What is wanted of each stream: [{trackId, layer: 'auto'|0|1|2, paused}]. */
  select(streams) {
    return this.send({ type: 'select', streams });
  }

  send(message) {
    if (this.#socket?.readyState !== OPEN) {
      return false;
    }
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  close() {
    this.#drop();
    this.#enter('closed');
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #enter(state, { reason = null, retryAt = null } = {}) {
    this.state = state;
    this.reason = reason;
    this.retryAt = retryAt;
    this.#emit('state', { state, reason, retryAt, attempt: this.attempt });
  }

  #deadline(ms, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }

  #drop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#heartbeat);
    clearTimeout(this.#probe);
    this.#probe = null;
    const socket = this.#socket;
    this.#socket = null; // from here on its late events are ignored
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  #open() {
    this.#drop();
    this.#joinedAt = null;
    this.#ponged = false;
    this.#lastError = null;
    this.#enter('connecting');
    let socket;
    try {
      socket = new this.#WebSocket(this.#url, SUBPROTOCOL);
    } catch (error) {
      this.#lost({ code: 'unreachable', text: error.message });
      return;
    }
    this.#socket = socket;
    this.#deadline(OPEN_TIMEOUT, () => this.#lost({ code: 'unreachable', text: '' }));
    socket.onopen = () => this.#join();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => {
      const code = this.state === 'connecting' ? 'unreachable' : 'lost';
      const said = this.#lastError && this.#now() - this.#lastError.at < ERROR_CLOSES_WITHIN;
      this.#lost(said ? this.#lastError.reason : { code, text: '' });
    };
  }

  #join() {
    this.#enter('joining');
    const shown = {
      password: this.#password, secret: this.#secret, token: this.#token, resume: this.#resume, replaces: this.#replaces,
    };
    const filled = Object.entries(shown).filter(([, value]) => value);
    this.send({ type: 'join', role: this.role, room: this.room, client: CLIENT_NAME, ...Object.fromEntries(filled) });
    this.#deadline(JOIN_TIMEOUT, () => this.#lost({ code: 'silent', text: '' }));
  }

  /* `atLeast`: ms that the server wants to be left alone. */
  #lost(reason, atLeast = 0) {
    if (this.#joinedAt !== null && this.#now() - this.#joinedAt >= STABLE_AFTER) {
      this.#backoff.reset();
    }
    if (this.#joinedAt === null) {
      this.#url = this.#home; // a redirect that leads nowhere is forgotten
    }
    this.#drop();
    const slow = ROOM_RETRY.get(reason.code);
    const usual = slow ? slow * (0.8 + 0.2 * this.#random()) : this.#backoff.next();
    const delay = Math.max(usual, atLeast);
    this.#enter('waiting', { reason, retryAt: this.#now() + delay });
    this.#deadline(delay, () => this.#open());
  }

  #receive(data) {
    this.#heardAt = this.#now();
    let message = null;
    try {
      message = JSON.parse(data);
    } catch {
      // handled with everything else that is not an object with a type
    }
    if (typeof message?.type !== 'string') {
      this.#emit('error', { code: 'bad-json', error: 'the server sent something that is not a message' });
      return;
    }
    this.#dispatch(message);
  }

  #dispatch(message) {
    switch (message.type) {
      case 'joined':
        this.#onJoined(message);
        break;
      case 'streams-info':
        this.announced = true;
        this.reconnecting = message.reconnecting === true;
        this.#setStreams(checkStreams(message.streams), checkEnded(message.ended));
        break;
      case 'stream-activated':
      case 'stream-added':
        this.#addStream(message.streamActivated ?? message.streamAdded);
        break;
      case 'stream-deactivated':
      case 'stream-removed':
        this.#removeStream(message.streamDeactivated ?? message.streamRemoved);
        break;
      case 'focus-change':
        this.#changeStreams((stream) => ({ ...stream, isFocused: stream.trackId === message.focusedTrack }));
        break;
      case 'size-change':
        this.#changeStreams((stream) => (stream.trackId === message.trackId
          ? { ...stream, width: number(message.width), height: number(message.height) }
          : stream));
        break;
      case 'cursor-position':
        this.#onCursor(message);
        break;
      case 'offer':
      case 'answer':
      case 'ice':
        this.#emit(message.type, message);
        break;
      case 'sharer-started':
      case 'sharer-ready':
      case 'sharer-stopped':
        this.#emit('sharer', { live: message.type !== 'sharer-stopped', type: message.type });
        break;
      case 'password-required':
      case 'password-invalid':
        this.#onPassword(message);
        break;
      case 'error':
        this.#onError(message);
        break;
      case 'redirect':
        this.#onRedirect(message.url);
        break;
      case 'ping':
        this.send({ type: 'pong', t: message.t });
        break;
      case 'pong':
        this.#ponged = true;
        break;
      default:
        this.#emit('message', message);
    }
  }

  #setStreams(streams, ended = this.ended) {
    this.streams = streams;
    this.ended = ended;
    this.#emit('streams', { streams, ended });
  }

  #addStream(stream) {
    if (isStream(stream)) {
      const others = this.streams.filter((s) => s.trackId !== stream.trackId);
      const list = [...others, checkStream(stream)].slice(0, MAX_STREAMS);
      list.sort((a, b) => a.trackId.localeCompare(b.trackId, 'en', { numeric: true }));
      this.#setStreams(list, this.ended.filter((s) => s.trackId !== stream.trackId));
    }
  }

  #removeStream(trackId) {
    if (this.streams.some((s) => s.trackId === trackId)) {
      this.#setStreams(this.streams.filter((s) => s.trackId !== trackId));
    }
  }

  #changeStreams(change) {
    this.#setStreams(this.streams.map(change));
  }

  #onCursor({ trackId, cursorX, cursorY, cursorInView }) {
    if (Number.isFinite(cursorX) && Number.isFinite(cursorY)) {
      this.#emit('cursor', { trackId, x: cursorX, y: cursorY, inView: cursorInView === true });
    }
  }

  #onJoined(message) {
    clearTimeout(this.#timer);
    this.#redirects = 0;
    this.#joinedAt = this.#now();
    this.peerId = text(message.peerId);
    this.protocol = number(message.protocol);
    this.resumed = Boolean(this.#resume) && message.resumed === true;
    this.#resume = text(message.resume);
    this.#replaces = '';
    this.iceServers = Array.isArray(message.iceServers) ? message.iceServers : [];
    this.#enter('joined');
    this.#emit('joined', message);
    this.#beat();
  }

  /* Keeps proxies from closing a quiet socket, and finds one whose other end is gone without a word.
   * Silence counts only against a server that has answered a ping before. */
  #beat() {
    if (this.#ponged && this.#now() - this.#heardAt > SILENCE_LIMIT) {
      this.#lost({ code: 'silent', text: '' });
      return;
    }
    this.send({ type: 'ping', t: Math.round(this.#now()) });
    clearTimeout(this.#heartbeat);
    this.#heartbeat = setTimeout(() => this.#beat(), PING_INTERVAL);
  }

  #onPassword(message) {
    clearTimeout(this.#timer);
    const wrong = message.type === 'password-invalid';
    if (wrong) {
      this.#password = ''; // a reconnect must not spend the few tries a minute on it
    }
    this.#enter('password');
    const fallback = wrong ? 'That password is not right.' : '';
    this.#emit('password', { error: wrong ? text(message.error) || fallback : '' });
  }

  #onError(message) {
    const detail = { code: text(message.code) || 'internal', error: text(message.error) };
    const reason = { code: detail.code, text: detail.error };
    this.#lastError = { reason, at: this.#now() };
    this.#emit('error', detail);
    if (this.role === 'sharer' && FATAL_TO_SHARER.has(detail.code)) {
      this.#drop();
      this.#enter('closed', { reason });
    } else if (TOKEN_ERRORS.has(detail.code) && this.state === 'joining') {
      clearTimeout(this.#timer);
      this.#token = '';
      this.#enter('password', { reason });
    } else if (ROOM_RETRY.has(detail.code)) {
      this.#lost(reason);
    } else if (detail.code === 'rate-limited' && this.state === 'joining') {
      this.#lost(reason, 1000 * Math.min(number(message.retryAfter) || 1, 60));
    }
  }

  #onRedirect(target) {
    const url = socketUrl(text(target), this.#url);
    this.#redirects += 1;
    if (!url || this.#redirects > MAX_REDIRECTS) {
      this.#redirects = 0;
      this.#url = this.#home;
      this.#lost({ code: 'redirect', text: text(target) });
      return;
    }
    this.#url = url;
    this.#open();
  }
}

/* Makes a room: {room, secret, url, ...}. Who has the secret may publish in it, so it stays out of links.
 * Throws an Error with a stable `code` when the server does not. */
export async function createRoom(origin, wish = {}, { fetch = globalThis.fetch } = {}) {
  const fail = (code, words) => Object.assign(new Error(words), { code });
  const body = JSON.stringify(wish);
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${origin}/api/v1/rooms`, { method: 'POST', headers, body }).catch(() => {
    throw fail('unreachable', '');
  });
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 201) {
    return said;
  }
  const codes = { 401: 'closed-server', 403: 'closed-server', 404: 'not-supported', 409: 'room-taken', 429: 'rate-limited', 501: 'not-supported', 503: 'server-full' };
  throw fail(codes[answer.status] ?? 'internal', text(said.detail));
}

/* Watches a room: a Broadcast (watch.js). */
export async function watch(link, options = {}) {
  const { Broadcast } = await import('./watch.js');
  return new Broadcast(link, options);
}

/* Publishes in a room: a Publisher (publisher.js) with `sources` as of add(), until its stop(). */
export async function publish(link, { secret, sources = [], sound = null, settings = {}, ...options }) {
  const { Publisher } = await import('./publisher.js');
  const client = options.client ?? new AmphiClient({ backoff: new Backoff({ first: 1000, max: 30000 }) });
  const publisher = new Publisher(client, { settings, ...options });
  sources.forEach((source) => publisher.add(source));
  publisher.setSound(sound);
  const { socket, room } = readLink(link);
  const beat = setInterval(() => publisher.tick(), 1000);
  publisher.addEventListener('closed', () => {
    clearInterval(beat);
    client.close();
  });
  client.connect(socket, room, { role: 'sharer', secret });
  return publisher;
}
