/* Broadcast: a room as media streams, for programs that bring their own <video>. amphi.js makes it.
 *
 * Events: `stream` {trackId, media, name}: there is a MediaStream for this stream of the room, a new one
 * after each reconnect; `gone` {trackId}: the stream has ended; `streams` and `state` as AmphiClient's; `failed` {code, text}: media did not come
 * through, which is tried again; `password` {error}: call client.joinWith(password). */

import { AmphiClient, readLink } from './amphi.js';
import { ViewerSession } from './session.js';

export class Broadcast extends EventTarget {
  #timer;
  #failures = 0;
  #peer = null; // the newest one
  #told = new Map(); // of its streams that were told: id -> MediaStream

  constructor(link, {
    password = '',
    token = '',
    client = new AmphiClient(),
    createConnection = (configuration) => new RTCPeerConnection(configuration),
    now = () => performance.now(),
  } = {}) {
    super();
    this.client = client;
    this.session = new ViewerSession(client, { createConnection, now });
    this.session.addEventListener('peer', ({ detail }) => this.#onPeer(detail));
    this.session.addEventListener('change', () => this.#onChange());
    client.addEventListener('streams', () => this.#tellStreams());
    for (const type of ['state', 'streams', 'password']) {
      client.addEventListener(type, ({ detail }) => this.#tell(type, detail));
    }
    this.#timer = setInterval(() => this.session.tick(), 1000);
    const { socket, room } = readLink(link);
    client.connect(socket, room, { password, token });
  }

  get streams() {
    return this.client.streams;
  }

  /* What is wanted of each stream: [{trackId, layer: 'auto'|0|1|2, paused}]. */
  select(streams) {
    return this.client.select(streams);
  }

  close() {
    clearInterval(this.#timer);
    this.client.close();
    this.session.close();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #onPeer(peer) {
    if (peer !== this.#peer) {
      this.#peer = peer;
      this.#told.clear();
    }
    this.#tellStreams();
  }

  /* Tracks are reserved for streams to come: only those that carry one are told, where the server says which. */
  #tellStreams() {
    const names = new Map(this.streams.map((s) => [s.trackId, s.windowName]));
    for (const { id, track } of this.#peer?.videoTracks() ?? []) {
      const carries = names.has(id) || !this.client.announced;
      if (carries && !this.#told.has(id)) {
        const media = new MediaStream([track]);
        this.#told.set(id, media);
        this.#tell('stream', { trackId: id, media, name: names.get(id) ?? '', peer: this.#peer });
      } else if (!carries && this.#told.delete(id)) {
        this.#tell('gone', { trackId: id });
      }
    }
    this.#addSounds();
  }

  /* They come after the pictures. */
  #addSounds() {
    for (const [id, media] of this.#told) {
      const sound = this.#peer.soundOf(id)?.track;
      if (sound && !media.getTracks().includes(sound)) {
        media.addTrack(sound);
      }
    }
  }

  /* Nobody here paints: a connection that stands replaces the one before. */
  #onChange() {
    const { next, failure } = this.session;
    if (next?.state === 'connected') {
      this.session.shown(next);
    }
    if (failure && failure.count > this.#failures) {
      this.#tell('failed', { code: failure.code, text: failure.text });
    }
    this.#failures = failure?.count ?? 0;
  }
}
