/* Watching: which stream is in front, and what is wanted of each, so that what nobody sees is not sent.
 *
 * The person's choice comes before the presenter's focus, that before what is not paused. Event: `change`
 * (detail {stream, index, sound}): what is in front, or what is known of it. */

import { Glances, Selector, selectionOf } from './selection.js';

const HIDDEN_AFTER = 3000; // ms; a glance at another tab costs nothing
const SETTLE = 300; // ms after the last move of a zoom or scroll

const flows = (peer, stream) => !stream.paused && !stream.endReason && peer.plays(stream.trackId, stream.codec);

/* Where the server does not say whether a stream has sound, a track for it is a promise. */
const hasSound = (peer, stream) => Boolean(stream) && (stream.audio ?? true) && Boolean(peer.soundOf(stream.trackId));

export class Watching extends EventTarget {
  #client;
  #session;
  #player;
  #board;
  #camera;
  #stage;
  #isCalm;
  #picked = null; // the stream the person chose; null follows the presenter's focus
  #quality = new Map(); // trackId -> the layer that the person chose
  #floor = new Map(); // trackId -> the best layer that this device decodes in time
  #selection = new Map(); // what the server was asked for
  #selector;
  #glances = new Glances();
  #renewed = new Set(); // codecs that were asked for by a new offer
  #hidden = false; // for longer than HIDDEN_AFTER
  #hiding = null;
  #settling = null;

  /* `isCalm()`: the controls, and with them the thumbnails, are hidden. */
  constructor({ client, session, player, board, camera, stage, follow, isCalm }) {
    super();
    this.#client = client;
    this.#session = session;
    this.#player = player;
    this.#board = board;
    this.#camera = camera;
    this.#stage = stage;
    this.#isCalm = isCalm;
    this.#selector = new Selector((message) => client.protocol >= 1 && client.send(message));
    this.follow = follow;
    client.addEventListener('joined', () => client.resumed || this.#selector.reset());
    session.addEventListener('peer', () => this.show());
    board.addEventListener('painted', ({ detail }) => this.#onGlance(detail));
  }

  /* The stream in front, as it was announced. */
  get stream() {
    return this.#client.streams.find((s) => s.trackId === this.#player.shown?.trackId);
  }

  /* What is in front, or will be. */
  get coming() {
    return this.stream ?? this.#choose(this.#client.streams);
  }

  pick(trackId) {
    this.#picked = trackId;
    this.follow = false;
    this.show();
  }

  setFollow(follow) {
    this.follow = follow;
    this.#picked = follow ? null : this.#player.shown?.trackId ?? null;
    this.show();
  }

  /* 'auto', or a layer. */
  qualityOf(trackId) {
    return this.#quality.get(trackId) ?? 'auto';
  }

  setQuality(trackId, layer) {
    this.#floor.delete(trackId);
    if (layer === 'auto') {
      this.#quality.delete(trackId);
    } else {
      this.#quality.set(trackId, layer);
    }
    this.update();
  }

  /* This device decodes no better layer in time. */
  setFloor(trackId, layer) {
    this.#floor.set(trackId, layer);
    this.update();
  }

  /* Whether anybody can see the page; it takes a moment until that counts. */
  setVisible(visible) {
    clearTimeout(this.#hiding);
    if (visible) {
      this.#hidden = false;
      this.update();
      return;
    }
    this.#hiding = setTimeout(() => {
      this.#hidden = true;
      this.update();
    }, HIDDEN_AFTER);
  }

  /* Streams, tracks or the choice have changed. */
  show() {
    for (const peer of this.#session.peers) {
      const stream = this.#choose(this.#available(peer));
      if (stream && (peer === this.#session.next || this.#player.shown?.peer === peer)) {
        this.#player.show(peer, stream.trackId, { sound: hasSound(peer, stream) });
      }
    }
    if (this.#session.current) {
      this.#tell(this.#session.current);
    }
    this.update();
  }

  /* Tells the server what is wanted now. */
  update() {
    const { streams } = this.#client;
    const wanted = this.#choose(streams);
    const { watched, muted, paused, firstFrameMs } = this.#player;
    const { clientWidth, clientHeight } = this.#stage;
    const ratio = devicePixelRatio * this.#camera.zoom;
    this.#selection = selectionOf({
      streams,
      watched: wanted ? [...watched, wanted.trackId] : watched,
      layout: this.#board.layout,
      thumbnails: !this.#isCalm(),
      glances: this.#glances.open,
      sizeOf: (id) => this.#board.sizeOf(id),
      stage: this.#camera.scale === 'native' ? null : { width: clientWidth * ratio, height: clientHeight * ratio },
      quality: (id) => this.#quality.get(id) ?? this.#floor.get(id) ?? 'auto',
      hidden: this.#hidden && document.pictureInPictureElement === null && firstFrameMs !== null,
      muted,
      halted: paused,
    });
    this.#selector.update(this.#selection);
    this.#watchFrames();
  }

  /* For what changes with each move of a pointer. */
  updateSoon() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.update(), SETTLE);
  }

  /* Once a second: thumbnails of streams that have no small size are received for a moment now and then. */
  glance() {
    const { layout, count } = this.#board;
    const visible = layout === 'focus' && !this.#isCalm() && !this.#hidden && !this.#player.paused && count > 0;
    const one = ({ trackId, layers, paused }) => !paused && !(layers > 1) && !this.#player.watched.includes(trackId);
    const ids = visible ? this.#client.streams.filter(one).map(({ trackId }) => trackId) : [];
    this.#glances.update(ids, performance.now()).forEach((id) => this.#board.look(id));
    this.update();
  }

  #onGlance(trackId) {
    const after = this.#glances.painted(trackId, performance.now());
    setTimeout(() => {
      this.#glances.close(performance.now());
      this.update();
    }, after + 1);
  }

  /* The streams to choose from: what was announced, or what arrived where nothing is ever announced. */
  #available(peer) {
    if (this.#client.announced) {
      return this.#client.streams.filter((s) => peer.tracks.get(s.trackId)?.kind === 'video');
    }
    return peer.videoTracks().map(({ id }) => ({
      trackId: id, windowName: '', appName: '', isFocused: false, paused: false, codec: '', audio: null, endReason: '', width: 0, height: 0,
    }));
  }

  #choose(streams) {
    const picked = streams.find((s) => s.trackId === this.#picked);
    const best = picked ?? streams.find((s) => s.isFocused && !s.paused) ?? streams.find((s) => !s.paused);
    return best ?? streams[0] ?? null;
  }

  #tell(peer) {
    const streams = this.#available(peer);
    const trackId = this.#player.shown?.trackId;
    this.#board.update(streams, peer, trackId);
    const index = streams.findIndex((s) => s.trackId === trackId);
    const stream = streams[index] ?? null;
    if (!this.follow && stream) {
      this.#picked ??= stream.trackId;
    }
    this.#camera.setNatural(stream);
    this.dispatchEvent(new CustomEvent('change', { detail: { stream, index, sound: hasSound(peer, stream) } }));
  }

  /* Tells the session which frames to expect, if any. */
  #watchFrames() {
    const { current, next } = this.#session;
    const peer = current ?? next;
    const streams = peer ? this.#available(peer) : [];
    const stream = streams.find((s) => s.trackId === this.#player.shown?.trackId) ?? this.#choose(streams);
    const track = current && stream && peer.tracks.get(stream.trackId)?.track;
    const wanted = !this.#selection.get(stream?.trackId)?.paused;
    this.#session.watch(track?.id ?? null, !stream || (wanted && flows(peer, stream)));
    this.#renewCodec(peer, stream);
  }

  /* Some browsers agree to one codec only. If the stream has changed to another one that this browser
   * plays as well, a new offer puts that first. Once: what does not help is not repeated. */
  #renewCodec(peer, stream) {
    const codec = stream?.codec?.toLowerCase();
    if (!codec || this.#renewed.has(codec) || peer.plays(stream.trackId, codec)) {
      return;
    }
    const known = RTCRtpReceiver.getCapabilities?.('video')?.codecs ?? [];
    if (known.some(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`)) {
      this.#renewed.add(codec);
      this.#client.rejoin();
    }
  }
}
