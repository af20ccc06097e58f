/* Publisher: sends what one presenter shares, whatever happens to sockets and connections.
 *
 * Four pictures and one sound have their m-lines from the first offer on, so that sources come and go by
 * replaceTrack() and `stream-activated`, without another offer. A new connection is made for a first
 * source, after a failure, for another codec and for layers on or off; the old one is closed when that
 * works, or when the server closes it. A lost socket alone ends nothing: see `resumed` of AmphiClient. A
 * connection whose network has gone restarts ICE first, of which viewers see nothing.
 *
 *   media:  none -> negotiating -> live -> lost (a new connection is on its way) -> negotiating
 *                                  live -> negotiating (ICE restarts) -> live or lost
 *
 * Events: `change`; `closed`; `ended` {source}: its capture was ended from outside; `wish` {bitrate, layers, reason}:
 * what the server asks of the encoder, of which the rate is kept to already (layers: the numbers of those
 * that somebody watches, 0 the best); `audience` {viewers, good, poor, ...}.
 * A source is {track, name, app, hint, paused}. Times are milliseconds, rates bits per second. */

import { Backoff } from './backoff.js';
import { triedWords } from './doctor.js';

export const SLOTS = 4;
const DISCONNECTED_LIMIT = 1500;
const RESTART_LIMIT = 5000; // from the offer of other credentials for ICE to a way
const CONNECT_LIMIT = 10000; // answer to connected
const ANSWER_LIMIT = 10000;
const START_KBPS = 2500;
const STEADY_AFTER = 10000; // before that every sender is limited: it feels its way up
const LAYERS = [
  { rid: 'q', scale: 4, share: 0.1 }, // the smallest first, as Chromium expects them
  { rid: 'h', scale: 2, share: 0.3 },
  { rid: 'f', scale: 1, share: 1 },
];

/* Errors about messages and rooms. Every other code says why the media session of this socket ended. */
const SIGNALING_ERRORS = new Set([
  'bad-json', 'bad-message', 'too-large', 'not-joined', 'not-allowed', 'room-not-found', 'rate-limited', 'internal',
  'bad-secret', 'secret-required', 'secret-invalid',
]);

export const DEFAULTS = { bitrate: 6e6, fps: 30, codec: 'h264', simulcast: false };

/* --- pure --- */

export const trackName = (slot) => `video${slot}`;

/* Tells which m-line is which: browsers make up the names of tracks, the protocol says video0 to video3. */
export function nameTracks(sdp) {
  let slot = -1;
  return sdp.split(/^(?=m=)/m).map((part) => {
    if (!part.startsWith('m=')) {
      return part.replace(/^a=msid-semantic:.*\r?\n/m, '');
    }
    const video = part.startsWith('m=video');
    slot += video ? 1 : 0;
    const ids = video ? `${trackName(slot)} ${trackName(slot)}` : 'video0 audio0';
    return part.replace(/^a=msid:.*$/m, `a=msid:${ids}`).replace(/^(a=ssrc:\d+ msid:).*$/gm, `$1${ids}`);
  }).join('');
}

/* Chromium begins at 300 kbit/s, where a camera is a thumbnail for ten seconds; its encoders read from the
 * answer where to begin instead. Others do not know the word. */
export function withStart(sdp, kbps) {
  return sdp.split(/^(?=m=)/m).map((part) => {
    const types = part.startsWith('m=video') ? [...part.matchAll(/^a=rtpmap:(\d+) (?:H264|VP8|VP9|AV1)\//gm)] : [];
    return types.reduce((text, [line, type]) => {
      const word = `x-google-start-bitrate=${kbps}`;
      const known = new RegExp(`^(a=fmtp:${type} [^\\r\\n]*)`, 'm');
      return known.test(text) ? text.replace(known, `$1;${word}`) : text.replace(new RegExp(`^${line}[^\\r\\n]*\\r?\\n`, 'm'), `$&a=fmtp:${type} ${word}\r\n`);
    }, part);
  }).join('');
}

/* The chosen codec first, the others behind it for servers and browsers that have it not. */
export function orderCodecs(codecs, name) {
  const rank = ({ mimeType }) => (mimeType.toLowerCase() === `video/${name}` ? 0 : 1);
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}

/* What each encoding is allowed: of the settings, of what the server asked for, of a pause. A layer that nobody
 * watches goes on: one that does not arrive is none that a viewer could change to. */
export function limitsOf({ simulcast, bitrate, fps }, wish, { paused }) {
  const best = Math.min(bitrate, wish?.bitrate > 0 ? wish.bitrate : Infinity);
  const all = simulcast ? LAYERS : LAYERS.slice(-1);
  return all.map(({ share }) => ({
    active: !paused, maxBitrate: Math.round(best * share), maxFramerate: fps,
  }));
}

function encodingsOf(settings, source) {
  const limits = limitsOf(settings, null, source ?? { paused: false });
  if (!settings.simulcast) {
    return limits;
  }
  // VP9 and AV1 would make one stream of many layers of it, which nobody can cut apart here.
  const flat = ['vp9', 'av1'].includes(settings.codec) ? { scalabilityMode: 'L1T1' } : {};
  return limits.map((limit, i) => ({ ...limit, ...flat, rid: LAYERS[i].rid, scaleResolutionDownBy: LAYERS[i].scale }));
}

/* The figures of each slot from two reports: {codec, width, height, fps, bps, limited, rttMs, lost}. */
export function figuresOf(report, before) {
  const slots = new Map();
  for (const entry of report.values()) {
    if (entry.type !== 'outbound-rtp' || entry.kind !== 'video') {
      continue;
    }
    const old = before?.get(entry.id);
    const seconds = old ? (entry.timestamp - old.timestamp) / 1000 : 0;
    const bps = seconds > 0 ? (8 * (entry.bytesSent - old.bytesSent)) / seconds : 0;
    const remote = report.get(entry.remoteId);
    const mine = slots.get(entry.mid) ?? { width: 0, height: 0, fps: 0, bps: null, limited: '', rttMs: null, lost: null, codec: '' };
    const larger = (entry.frameWidth ?? 0) >= mine.width;
    slots.set(entry.mid, {
      ...mine,
      ...(larger && { width: entry.frameWidth ?? 0, height: entry.frameHeight ?? 0, fps: entry.framesPerSecond ?? 0 }),
      bps: old ? (mine.bps ?? 0) + bps : mine.bps, // null: not measured yet
      codec: (report.get(entry.codecId)?.mimeType ?? '').replace(/^video\//i, '') || mine.codec,
      limited: { cpu: 'cpu', bandwidth: 'bandwidth' }[entry.qualityLimitationReason] ?? mine.limited,
      rttMs: remote?.roundTripTime >= 0 ? 1000 * remote.roundTripTime : mine.rttMs,
      lost: remote?.fractionLost ?? mine.lost,
    });
  }
  return slots;
}

/* What carries the pictures: 'UDP', 'TCP', 'relay', or '' while nobody knows. */
export function wayOf(report) {
  const all = [...report.values()];
  const pair = report.get(all.find(({ type }) => type === 'transport')?.selectedCandidatePairId)
    ?? all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
  const local = report.get(pair?.localCandidateId);
  return local?.candidateType === 'relay' ? 'relay' : (local?.protocol ?? '').toUpperCase();
}

/* --- one connection --- */

class Link {
  constructor(pc) {
    this.pc = pc;
    this.video = []; // transceivers by slot
    this.audio = null;
    this.since = 0;
    this.liveAt = null;
    this.answered = false;
    this.waits = false; // for a socket, to restart ICE
    this.restarts = false; // ICE, and has no way yet
    this.early = []; // candidates that came before the answer
    this.applying = Promise.resolve(); // setParameters goes one after another
    this.report = null;
  }

  get state() {
    return this.pc.connectionState;
  }
}

export class Publisher extends EventTarget {
  #client;
  #createConnection;
  #codecs;
  #now;
  #backoff;
  #link = null; // what is negotiated, or carries
  #old = null; // what carries while its successor is negotiated
  #timer = null;
  #lateTimer = null;
  #sound = null;

  constructor(client, {
    createConnection = (configuration) => new RTCPeerConnection(configuration),
    codecs = () => globalThis.RTCRtpSender?.getCapabilities?.('video')?.codecs ?? [],
    settings = {},
    now = () => performance.now(),
    random = Math.random,
  } = {}) {
    super();
    this.#client = client;
    this.#createConnection = createConnection;
    this.#codecs = codecs;
    this.#now = now;
    this.#backoff = new Backoff({ first: 1000, max: 30000, random });
    this.sources = Array(SLOTS).fill(null);
    this.focused = 0;
    this.settings = { ...DEFAULTS, ...settings };
    this.media = 'none';
    this.failure = null; // {code, text, tried} until media flows again
    this.wish = null;
    this.way = ''; // see wayOf
    client.addEventListener('joined', () => this.#onJoined());
    client.addEventListener('answer', ({ detail }) => this.#onAnswer(detail));
    client.addEventListener('ice', ({ detail }) => this.#onIce(detail.candidate));
    client.addEventListener('error', ({ detail }) => this.#onError(detail));
    client.addEventListener('message', ({ detail }) => this.#onMessage(detail));
  }

  get peerConnection() {
    return this.#link?.pc ?? null;
  }

  get active() {
    return this.sources.filter(Boolean);
  }

  /* Shares one more; its slot. Throws an Error with code `slots` when all are taken. */
  add({ track, name = '', app = '', hint = 'detail', paused = false }) {
    const slot = this.sources.indexOf(null);
    if (slot < 0) {
      throw Object.assign(new Error(`${SLOTS} sources at once are all there is room for`), { code: 'slots' });
    }
    track.contentHint = hint;
    const source = { slot, track, name, app, hint, paused, width: 0, height: 0 };
    this.sources[slot] = source;
    track.addEventListener('ended', () => {
      if (this.sources[slot] === source) {
        this.remove(slot);
        this.dispatchEvent(new CustomEvent('ended', { detail: { source } }));
      }
    });
    if (!this.sources[this.focused]) {
      this.focused = slot;
    }
    this.#place(source);
    return slot;
  }

  remove(slot) {
    const source = this.sources[slot];
    if (!source) {
      return;
    }
    source.track.stop();
    this.sources[slot] = null;
    this.#link?.video[slot]?.sender.replaceTrack(null).catch(() => {});
    this.#client.send({ type: 'stream-deactivated', streamDeactivated: trackName(slot) });
    if (slot === this.focused && this.active.length > 0) {
      this.focus(this.active[0].slot);
    }
    this.#changed();
  }

  /* The sound of the room: one track, which may be a mix; null: none. */
  setSound(track) {
    this.#sound = track;
    if (this.#link) {
      this.#link.audio.sender.replaceTrack(track).catch(() => {});
    } else if (track) {
      this.#begin();
    }
  }

  focus(slot) {
    this.focused = slot;
    this.#client.send({ type: 'focus-change', focusedTrack: trackName(slot) });
    this.#changed();
  }

  /* {paused, name, hint} of one source. Paused, viewers keep the last picture and are told. */
  change(slot, what) {
    const source = Object.assign(this.sources[slot], what);
    source.track.contentHint = source.hint;
    this.#limit(source);
    this.#announce(source);
    this.#changed();
  }

  /* Any of {bitrate, fps, codec, simulcast}. The last two need a new connection. */
  configure(settings) {
    const before = this.settings;
    this.settings = { ...before, ...settings };
    if (this.settings.codec !== before.codec || this.settings.simulcast !== before.simulcast) {
      this.restart();
    }
    this.active.forEach((source) => this.#limit(source));
    this.#changed();
  }

  /* A new password for those who come; "" takes it away. */
  setPassword(password, secret) {
    return this.#client.send({ type: 'password-update', password, secret });
  }

  /* A new connection; viewers keep the last picture until it carries. */
  restart() {
    if (this.#link) {
      this.#begin();
    }
  }

  /* Stops sharing for good; the room stays. */
  stop() {
    this.#client.send({ type: 'sharer-stopped' });
    this.sources.forEach((source) => source?.track.stop());
    this.sources.fill(null);
    this.close();
  }

  /* Says goodbye to the server on the media connection. */
  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#lateTimer);
    [this.#link, this.#old].forEach((link) => this.#drop(link));
    this.#link = this.#old = null;
    this.failure = null;
    this.#setMedia('none');
    this.dispatchEvent(new CustomEvent('closed'));
  }

  /* Once a second: sizes that changed are told, connections that do not come are replaced. */
  async tick() {
    this.active.forEach((source) => this.#measure(source));
    const link = this.#link;
    if (!link) {
      return new Map();
    }
    const limit = link.answered ? CONNECT_LIMIT : ANSWER_LIMIT;
    if (this.media === 'negotiating' && this.#now() - link.since > limit) {
      this.#fail(link, link.answered ? 'ice-failed' : 'answer-timeout', '');
      return new Map();
    }
    const report = await link.pc.getStats();
    const figures = figuresOf(report, link.report);
    link.report = report;
    this.way = wayOf(report);
    const steady = link.liveAt !== null && this.#now() - link.liveAt > STEADY_AFTER;
    return new Map([...figures].map(([mid, f]) => [link.video.findIndex((t) => t.mid === mid), { ...f, steady }]));
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }

  #setMedia(media) {
    this.media = media;
    this.#changed();
  }

  #place(source) {
    const sender = this.#link?.video[source.slot]?.sender;
    if (sender) {
      sender.replaceTrack(source.track).catch((error) => this.#fail(this.#link, 'media-lost', error.message));
      this.#limit(source);
      this.#announce(source);
    } else {
      this.#begin();
    }
    this.#changed();
  }

  #measure(source) {
    const { width = 0, height = 0 } = source.track.getSettings();
    if (width === source.width && height === source.height) {
      return;
    }
    const known = source.width > 0;
    Object.assign(source, { width, height });
    if (known) {
      this.#client.send({ type: 'size-change', trackId: trackName(source.slot), width, height });
    }
  }

  #announce(source) {
    if (this.#link?.answered) {
      const { slot, name, app, paused } = source;
      const { width = 0, height = 0 } = source.track.getSettings();
      Object.assign(source, { width, height });
      this.#client.send({
        type: 'stream-activated',
        streamActivated: { trackId: trackName(slot), windowName: name, appName: app, isFocused: slot === this.focused, width, height, paused },
      });
    }
  }

  #limit(source) {
    const link = this.#link;
    const sender = link?.video[source.slot]?.sender;
    if (!sender?.setParameters) {
      return;
    }
    link.applying = link.applying.then(async () => {
      const parameters = sender.getParameters();
      const limits = limitsOf(this.settings, this.wish, source);
      if (link === this.#link && parameters.encodings?.length === limits.length) {
        parameters.encodings.forEach((encoding, i) => Object.assign(encoding, limits[i]));
        parameters.degradationPreference = source.hint === 'motion' ? 'balanced' : 'maintain-resolution';
        await sender.setParameters(parameters);
      }
    }).catch(() => {}); // a browser without one of these sends as it does by itself
  }

  #onJoined() {
    const link = this.#link;
    if (this.#client.resumed && this.media === 'live' && link?.state === 'connected') {
      this.active.forEach((source) => this.#announce(source));
    } else if (this.#client.resumed && (link?.waits || (link?.restarts && !link.answered))) {
      link.restarts = false; // nobody has heard of it
      this.#restartIce(link);
    } else if (this.#sound || this.active.length > 0) {
      this.#begin();
    }
  }

  /* Another way for the connection that is (RFC 8445 9). If it finds none in time there is a new one. */
  async #restartIce(link) {
    clearTimeout(this.#timer);
    clearTimeout(this.#lateTimer);
    const may = link === this.#link && link.liveAt !== null && !link.restarts && link.pc.restartIce;
    if (!may) {
      this.#fail(link, 'media-lost', '');
      return;
    }
    link.waits = this.#client.state !== 'joined'; // without a socket there is nobody to tell
    if (link.waits) {
      this.#lateTimer = setTimeout(() => this.#fail(link, 'media-lost', ''), CONNECT_LIMIT);
      return;
    }
    link.restarts = true;
    link.answered = false;
    link.since = this.#now();
    this.#lateTimer = setTimeout(() => link.restarts && this.#fail(link, 'media-lost', ''), RESTART_LIMIT);
    this.#setMedia('negotiating');
    this.#client.probe(); // its network may have gone too
    link.pc.restartIce();
    await this.#offer(link);
  }

  async #offer(link) {
    try {
      await link.pc.setLocalDescription(await link.pc.createOffer());
      if (link === this.#link) {
        this.#client.send({ type: 'offer', sdp: nameTracks(link.pc.localDescription.sdp), peerId: this.#client.peerId });
      }
    } catch (error) {
      this.#fail(link, 'bad-offer', error.message);
    }
  }

  async #begin() {
    clearTimeout(this.#timer);
    if (this.#client.state !== 'joined') {
      return; // the join begins it
    }
    this.#retire();
    const link = new Link(this.#createConnection({ iceServers: this.#client.iceServers, bundlePolicy: 'max-bundle' }));
    this.#link = link;
    link.since = this.#now();
    link.pc.onconnectionstatechange = () => this.#onState(link);
    link.pc.onicecandidate = ({ candidate }) => this.#onCandidate(link, candidate);
    this.#setMedia('negotiating');
    try {
      this.#addTransceivers(link);
    } catch (error) {
      this.#fail(link, 'bad-offer', error.message);
      return;
    }
    await this.#offer(link);
  }

  /* What carries goes on until its successor does; one that never did makes room at once. */
  #retire() {
    const link = this.#link;
    if (link?.state === 'connected') {
      this.#drop(this.#old);
      this.#old = link;
    } else {
      this.#drop(link);
    }
  }

  #drop(link) {
    if (link) {
      link.pc.onconnectionstatechange = link.pc.onicecandidate = null;
      link.pc.close();
    }
  }

  #addTransceivers(link) {
    const codecs = orderCodecs(this.#codecs(), this.settings.codec);
    for (const source of this.sources) {
      const sendEncodings = encodingsOf(this.settings, source);
      const transceiver = link.pc.addTransceiver(source?.track ?? 'video', { direction: 'sendonly', sendEncodings });
      if (codecs.length > 0 && transceiver.setCodecPreferences) {
        transceiver.setCodecPreferences(codecs);
      }
      link.video.push(transceiver);
    }
    link.audio = link.pc.addTransceiver(this.#sound ?? 'audio', { direction: 'sendonly' });
  }

  #onCandidate(link, candidate) {
    const value = candidate?.candidate ? JSON.stringify(candidate.toJSON()) : '';
    if (link === this.#link && (!candidate || value)) {
      this.#client.send({ type: 'ice', candidate: value, peerId: this.#client.peerId });
    }
  }

  async #onAnswer({ sdp }) {
    const link = this.#link;
    if (!link || link.answered || typeof sdp !== 'string') {
      return;
    }
    link.answered = true;
    link.since = this.#now();
    try {
      await link.pc.setRemoteDescription({ type: 'answer', sdp: withStart(sdp, Math.min(START_KBPS, this.settings.bitrate / 2000)) });
    } catch (error) {
      this.#fail(link, 'bad-sdp', error.message);
      return;
    }
    this.#hearGoodbye(link);
    for (const candidate of link.early.splice(0)) {
      await link.pc.addIceCandidate(candidate).catch(() => {});
    }
    if (link === this.#link) {
      this.active.forEach((source) => {
        this.#announce(source);
        this.#limit(source);
      });
      if (link.restarts && link.state === 'connected') { // its way of before is still good
        this.#onWay(link);
      }
    }
  }

  /* A server that closes says so on the transport (DTLS close_notify), before the connection notices. */
  #hearGoodbye(link) {
    const transport = link.video[0].sender.transport;
    if (transport) {
      transport.onstatechange = () => {
        if (transport.state === 'closed' && link === this.#link) {
          this.#fail(link, 'media-lost', '');
        }
      };
    }
  }

  async #onIce(value) {
    let candidate = value;
    try {
      candidate = typeof value === 'string' ? JSON.parse(value) : value;
    } catch {
      return; // the end of the list, or none: nothing that has to be acted on
    }
    if (candidate?.candidate && this.#link?.pc.remoteDescription) {
      await this.#link.pc.addIceCandidate(candidate).catch(() => {});
    } else if (candidate?.candidate) {
      this.#link?.early.push(candidate);
    }
  }

  #onState(link) {
    if (link === this.#old) {
      if (link.state !== 'connected') {
        this.#drop(link);
        this.#old = null;
      }
      return;
    }
    if (link.state === 'connected') {
      this.#onWay(link);
    } else if (link.state === 'disconnected' && !link.restarts) {
      clearTimeout(this.#lateTimer);
      this.#lateTimer = setTimeout(() => this.#restartIce(link), DISCONNECTED_LIMIT);
    } else if (link.state === 'failed' && link.liveAt !== null && !link.waits) {
      this.#restartIce(link);
    } else if (link.state === 'failed' || link.state === 'closed') {
      this.#fail(link, link.liveAt === null ? 'ice-failed' : 'media-lost', '');
    }
  }

  #onWay(link) {
    clearTimeout(this.#lateTimer);
    this.#drop(this.#old);
    this.#old = null;
    this.#backoff.reset();
    this.failure = null;
    link.liveAt ??= this.#now();
    link.restarts = link.waits = false;
    this.#setMedia('live');
  }

  #onError({ code, error }) {
    if (this.#link && !SIGNALING_ERRORS.has(code)) {
      this.#fail(this.#link, code, error);
    }
  }

  #onMessage(message) {
    if (message.type === 'publish-config') {
      const { bitrate = 0, layers = [], reason = '' } = message;
      this.wish = { bitrate, layers: Array.isArray(layers) ? layers : [], reason };
      this.active.forEach((source) => this.#limit(source));
      this.dispatchEvent(new CustomEvent('wish', { detail: this.wish }));
    } else if (message.type === 'audience') {
      this.dispatchEvent(new CustomEvent('audience', { detail: message }));
    }
  }

  /* The network is back, or the person asked: not another moment of patience. */
  retryNow() {
    this.#backoff.reset();
    if (this.media === 'lost' && this.#client.state === 'joined') {
      clearTimeout(this.#timer);
      this.#client.rejoin();
    } else if (this.media === 'live' && this.#link?.state === 'disconnected') {
      this.#restartIce(this.#link);
    } else {
      this.#client.retryNow();
    }
  }

  #fail(link, code, text) {
    if (link !== this.#link || this.media === 'lost') {
      return;
    }
    const { localDescription, remoteDescription } = link.pc;
    const tried = code.startsWith('ice-') ? triedWords(localDescription?.sdp, remoteDescription?.sdp) : '';
    this.failure = { code, text, tried };
    this.#setMedia('lost');
    clearTimeout(this.#timer);
    // A socket that is down comes back by itself, and its join makes the new offer.
    this.#timer = setTimeout(() => this.#client.state === 'joined' && this.#client.rejoin(), this.#backoff.next());
  }
}
