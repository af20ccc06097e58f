/* Broadcast: a room as media streams, for programs that bring their own <video>. amphi.js makes it.
 *
 * Events: `stream` {trackId, media, name}: there is a MediaStream for this stream of the room, a new one
 * after each reconnect; `streams` and `state` as AmphiClient's; `failed` {code, text}: media did not come
 * through, which is tried again; `password` {error}: call client.joinWith(password). */

import { AmphiClient, readLink } from './amphi.js';
import { ViewerSession } from './session.js';

export class Broadcast extends EventTarget {
  #timer;
  #failures = 0;

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
    for (const { id, track } of peer.videoTracks()) {
      const sound = peer.soundOf(id);
      const media = new MediaStream(sound ? [track, sound.track] : [track]);
      const name = this.streams.find((s) => s.trackId === id)?.windowName ?? '';
      this.#tell('stream', { trackId: id, media, name, peer });
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
