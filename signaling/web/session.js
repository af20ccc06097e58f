/* ViewerSession: keeps a picture on the screen, whatever happens to sockets and peer connections.
 *
 * `current` is the peer whose frames are shown, `next` one that is being set up. A new offer makes a
 * `next`; when the player has painted its first frame it calls shown(peer), which makes it current and
 * closes the old one, so the screen never goes black in between. Signaling events change words, never
 * media. tick() once a second looks for stalls; it is the only place that reads the statistics.
 *
 *   media:  none -> negotiating -> live <-> stalled (frames missing, replacement under way)
 *                                  live <-> idle    (no frames, and none are expected)
 *
 * Events: `change` (something describe() depends on), `peer` (detail: a peer has a new track), `stuck`
 * (no frame for a moment, though there should be: a keyframe may help),
 * `report` (detail {peer, report}: one RTCStatsReport a second). Times are ms of `now`. */

import { Backoff } from './backoff.js';
import { triedWords } from './doctor.js';
import { MediaPeer } from './peer.js';

const CONNECT_LIMIT = 10000; // answer to connected
const DISCONNECTED_LIMIT = 3000;
const STALL_FIRST = 5000;
const STALL_MAX = 60000;
const STALL_HEARD = 30000; // while something comes: a narrow path brings pictures late, and a second start later still
const QUIET_AFTER = 2500; // longer than an idle source's repeats are apart
const IDLE_AFTER = 3000; // an idle source still repeats its picture once a second
const PROOF_FRAMES = 10; // so many frames after a first one prove that a connection is good
const CODEC_RETRY = 30000;
const OFFER_LIMIT = 10000; // joined, with a presenter, to the offer

/* Errors about messages and rooms. Every other code says why the media session of this socket ended. */
const SIGNALING_ERRORS = new Set([
  'bad-json', 'bad-message', 'too-large', 'not-joined', 'not-allowed', 'not-supported', 'room-not-found', 'room-full',
  'rate-limited', 'token-invalid', 'token-used', 'draining', 'internal',
]);

/* The video frames decoded so far in a statistics report: of one track, or all together. */
export function framesDecoded(report, trackIdentifier = null) {
  let frames = 0;
  for (const entry of report.values()) {
    const counts = trackIdentifier === null || entry.trackIdentifier === trackIdentifier;
    if (entry.type === 'inbound-rtp' && entry.kind === 'video' && counts) {
      frames += entry.framesDecoded ?? 0;
    }
  }
  return frames;
}

export class ViewerSession extends EventTarget {
  #client;
  #createConnection;
  #now;
  #isHidden;
  #backoff;
  #rejoinTimer = null;
  #disconnectTimer = null;
  #stallLimit = STALL_FIRST;
  #frames = 0;
  #shownFrames = 0;
  #progressAt = 0;
  #fresh = true; // the next offer starts a new peer connection, whatever it looks like
  #offered = null; // the peer of this socket's last offer: the one the server's errors are about
  #joinedAt = 0;
  #watched = { trackIdentifier: null, flows: true };

  constructor(client, { createConnection, now, isHidden = () => false, random = Math.random }) {
    super();
    this.#client = client;
    this.#createConnection = createConnection;
    this.#now = now;
    this.#isHidden = isHidden;
    this.#backoff = new Backoff({ first: 500, max: 15000, random });
    this.current = null;
    this.next = null;
    this.media = 'none';
    this.sharer = 'unknown';
    this.quiet = false; // no frame for a moment; it may be too early to act, but not to say so
    this.failure = null; // {code, text, tried, count} of the attempts that failed since the last good one
    client.addEventListener('joined', () => {
      this.#joinedAt = now();
      if (client.resumed && this.#newest()) {
        return; // it plays on, and nothing is offered
      }
      this.#fresh = true;
      this.#offered = null;
    });
    client.addEventListener('offer', ({ detail }) => this.#onOffer(detail));
    client.addEventListener('ice', ({ detail }) => this.#newest()?.candidate(detail.candidate));
    client.addEventListener('streams', ({ detail }) => this.#onStreams(detail.streams));
    client.addEventListener('sharer', ({ detail }) => {
      if (detail.type !== 'sharer-ready') { // one has come, and shows nothing yet
        this.#setSharer(detail.live ? 'live' : 'stopped');
      }
    });
    client.addEventListener('error', ({ detail }) => this.#onServerError(detail));
  }

  get peers() {
    return [this.current, this.next].filter(Boolean);
  }

  /* The player has painted a frame of this peer: it is what people watch now. */
  shown(peer) {
    if (peer !== this.next) {
      return;
    }
    this.current?.close();
    clearTimeout(this.#disconnectTimer);
    this.current = peer;
    this.next = null;
    this.#frames = 0;
    this.#shownFrames = null;
    this.#progressAt = this.#now();
    this.quiet = false;
    this.#setMedia('live');
  }

  /* Which track's frames count, and whether it has any to expect: one that is paused has not. */
  watch(trackIdentifier, flows) {
    const before = this.#watched;
    if (before.trackIdentifier !== trackIdentifier || before.flows !== flows) {
      this.#watched = { trackIdentifier, flows };
      this.#progressAt = this.#now();
    }
  }

  /* The page is visible again: what was missed while hidden is no sign of a stall. */
  wake() {
    this.#progressAt = this.#now();
    if (this.next) {
      this.next.since = this.#now();
    }
  }

  /* The person asked: forget the back-off. */
  retryNow() {
    this.#backoff.reset();
    if (this.#client.state === 'joined') {
      clearTimeout(this.#rejoinTimer);
      this.#client.rejoin();
    } else {
      this.#client.retryNow();
    }
  }

  /* The page leaves: says goodbye to the server on every connection. The session ends here. */
  close() {
    clearTimeout(this.#rejoinTimer);
    clearTimeout(this.#disconnectTimer);
    for (const peer of this.peers) {
      peer.close();
    }
    this.current = this.next = null;
    this.#setMedia('none');
  }

  async tick() {
    await this.#checkNext();
    this.#checkOffer();
    const peer = this.current;
    if (!peer) {
      return;
    }
    const report = await peer.pc.getStats();
    if (peer !== this.current) {
      return;
    }
    this.#listen(peer, report);
    this.#checkProgress(framesDecoded(report, this.#watched.trackIdentifier));
    this.dispatchEvent(new CustomEvent('report', { detail: { peer, report } }));
  }

  #newest() {
    return this.next ?? this.current;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }

  #setMedia(media) {
    if (this.media !== media) {
      this.media = media;
      this.#changed();
    }
  }

  #setQuiet(quiet) {
    if (this.quiet !== quiet) {
      this.quiet = quiet;
      this.#changed();
    }
  }

  #setSharer(sharer) {
    if (this.sharer !== sharer) {
      this.sharer = sharer;
      if (sharer === 'live') {
        this.wake();
      }
      this.#changed();
    }
  }

  #onStreams(streams) {
    if (this.#client.reconnecting) {
      this.#setSharer('reconnecting');
    } else if (streams.length === 0) {
      this.#setSharer('stopped');
    } else {
      this.#setSharer(streams.every((s) => s.paused) ? 'paused' : 'live');
    }
  }

  #expectsFrames() {
    return this.#watched.flows && (this.sharer === 'live' || this.sharer === 'unknown');
  }

  async #onOffer({ sdp, peerId = this.#client.peerId }) {
    if (typeof sdp !== 'string') {
      return;
    }
    let peer = this.#newest();
    if (this.#fresh || !peer || peer.peerId !== peerId || !peer.continues(sdp)) {
      peer = this.#startPeer(peerId);
    }
    try {
      await peer.accept(sdp);
    } catch (error) {
      this.#fail(peer, error.code === 'codec' ? 'codec' : 'bad-offer', error.message);
    }
  }

  #startPeer(peerId) {
    clearTimeout(this.#rejoinTimer);
    this.next?.close();
    this.#fresh = false;
    const pc = this.#createConnection({ iceServers: this.#client.iceServers, bundlePolicy: 'max-bundle' });
    const peer = new MediaPeer(pc, { peerId, send: (message) => this.#client.send(message) });
    peer.since = this.#now(); // of the phase it is in: connecting, then waiting for a frame
    peer.addEventListener('track', () => this.dispatchEvent(new CustomEvent('peer', { detail: peer })));
    peer.addEventListener('state', ({ detail }) => this.#onPeerState(peer, detail));
    this.next = this.#offered = peer;
    if (!this.current) {
      this.#setMedia('negotiating');
    }
    return peer;
  }

  #onPeerState(peer, state) {
    if (peer === this.next && state === 'connected') {
      peer.since = this.#now();
      this.#changed();
    }
    if (peer === this.current) {
      clearTimeout(this.#disconnectTimer);
      if (state === 'disconnected') {
        const late = () => this.#fail(peer, 'media-lost', '');
        this.#disconnectTimer = setTimeout(late, DISCONNECTED_LIMIT);
      }
    }
    if (state === 'failed') {
      this.#fail(peer, peer === this.current ? 'media-lost' : 'ice-failed', '');
    } else if (state === 'closed') {
      this.#fail(peer, 'remote-closed', '');
    }
  }

  #onServerError({ code, error }) {
    if (this.#offered && !SIGNALING_ERRORS.has(code)) {
      this.#fail(this.#offered, code, error);
    }
  }

  #fail(peer, code, text) {
    const known = peer === this.next || (peer === this.current && this.media !== 'stalled');
    if (!known) {
      return;
    }
    const { localDescription, remoteDescription } = peer.pc;
    const tried = code.startsWith('ice-') ? triedWords(localDescription?.sdp, remoteDescription?.sdp) : '';
    this.failure = { code, text, tried, count: (this.failure?.count ?? 0) + 1 };
    if (peer === this.next) {
      peer.close();
      this.next = null;
      if (!this.current) {
        this.media = 'none';
      }
    } else {
      this.media = 'stalled'; // its connection stays open: the last frame stays on the screen
    }
    this.#changed();
    this.#rejoinSoon(code);
  }

  /* A good connection that breaks is replaced at once, one that never worked with growing patience. */
  #rejoinSoon(code) {
    if (this.next) {
      return;
    }
    const first = this.#backoff.attempt === 0 && this.current !== null;
    const wait = this.#backoff.next();
    const delay = code === 'codec' ? CODEC_RETRY : first ? 0 : wait;
    clearTimeout(this.#rejoinTimer);
    if (code === 'removed') {
      return; // somebody has decided so: only the person may come back
    }
    this.#rejoinTimer = setTimeout(() => {
      // A socket that is down comes back by itself, and its join brings the offer.
      if (this.#client.state === 'joined' && !this.next) {
        this.#client.rejoin();
      }
    }, delay);
  }

  #listen(peer, report) {
    let bytes = 0;
    report.forEach((entry) => (bytes += (entry.type === 'inbound-rtp' && entry.bytesReceived) || 0));
    if (bytes > (peer.bytes ?? 0)) {
      peer.heardAt = this.#now();
    }
    peer.bytes = bytes;
  }

  /* Whether a connection that has shown nothing new for `waited` is one to give up. */
  #isStalled(peer, waited) {
    const heard = this.#now() - peer.heardAt <= STALL_FIRST; // never: not a number
    return waited > (heard ? Math.max(this.#stallLimit, STALL_HEARD) : this.#stallLimit);
  }

  async #checkNext() {
    const peer = this.next;
    if (peer?.state === 'connected') {
      this.#listen(peer, await peer.pc.getStats());
    }
    if (!peer || peer !== this.next || this.#isHidden()) {
      return;
    }
    const waited = this.#now() - peer.since;
    if (peer.state !== 'connected' && waited > CONNECT_LIMIT) {
      this.#fail(peer, 'ice-failed', '');
    } else if (peer.state === 'connected' && this.#isStalled(peer, waited) && this.#expectsFrames()) {
      this.#stallLimit = Math.min(STALL_MAX, 2 * this.#stallLimit);
      this.#fail(peer, 'no-frame', '');
    }
  }

  /* A join to a running broadcast that brings no offer is worth another one. */
  #checkOffer() {
    const due = this.#fresh && this.#client.state === 'joined' && this.sharer === 'live';
    if (due && this.media !== 'live' && this.#now() - this.#joinedAt > OFFER_LIMIT) {
      this.#joinedAt = this.#now();
      this.failure = { code: 'no-offer', text: '', count: (this.failure?.count ?? 0) + 1 };
      this.#changed();
      this.#rejoinSoon('no-offer');
    }
  }

  #checkProgress(frames) {
    this.#shownFrames ??= frames;
    if (frames !== this.#frames && !this.current.ended) {
      this.#frames = frames;
      this.#progressAt = this.#now();
      if (frames - this.#shownFrames >= PROOF_FRAMES) {
        this.#stallLimit = STALL_FIRST;
        this.#backoff.reset();
        this.failure = null;
      }
      this.#setQuiet(false);
      this.#setMedia('live');
      return;
    }
    const quiet = this.#now() - this.#progressAt;
    if (this.#isHidden() || this.media === 'stalled') {
      return;
    }
    if (quiet > QUIET_AFTER && !this.quiet && this.#expectsFrames()) {
      this.dispatchEvent(new CustomEvent('stuck'));
    }
    this.#setQuiet(quiet > QUIET_AFTER);
    if (!this.#expectsFrames()) {
      if (quiet > IDLE_AFTER) {
        this.#setMedia('idle');
      }
    } else if (this.#isStalled(this.current, quiet)) {
      this.#stallLimit = Math.min(STALL_MAX, 2 * this.#stallLimit);
      this.#fail(this.current, 'no-frame', '');
    }
  }
}
