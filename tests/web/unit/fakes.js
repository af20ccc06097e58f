/* Stand-ins for the browser's WebSocket, RTCPeerConnection and clock, moved by hand. */

/* Browsers have it, Node 18 does not. */
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail = null, ...options } = {}) {
    super(type, options);
    this.detail = detail;
  }
};

/* The clock of one test, in place of setTimeout and clearTimeout until that has ended. */
export class FakeClock {
  #timers = new Set();

  constructor(t) {
    const { setTimeout, clearTimeout } = globalThis;
    this.now = 0;
    globalThis.setTimeout = (action, ms = 0) => {
      const timer = { action, due: this.now + ms };
      this.#timers.add(timer);
      return timer;
    };
    globalThis.clearTimeout = (timer) => this.#timers.delete(timer);
    t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }));
  }

  /* `ms` pass; what becomes due meanwhile runs in its order and at its time. */
  advance(ms) {
    const end = this.now + ms;
    for (;;) {
      const [timer] = [...this.#timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
      if (!timer) {
        break;
      }
      this.#timers.delete(timer);
      this.now = timer.due;
      timer.action();
    }
    this.now = end;
  }
}

export class FakeSocket {
  static all = [];

  static get last() {
    return FakeSocket.all.at(-1);
  }

  constructor(url, protocol) {
    this.url = url;
    this.protocol = protocol;
    this.readyState = 0;
    this.sent = [];
    this.closed = false;
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  receive(message) {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
  }

  lose() {
    this.readyState = 3;
    this.onclose?.({});
  }

  sentOf(type) {
    return this.sent.filter((message) => message.type === type);
  }
}

export const OFFER = [
  'v=0', 'o=- 1001 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97', 'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=sendonly',
  'a=msid:screen screen', 'a=rtpmap:96 H264/90000', 'a=rtpmap:97 rtx/90000', '',
].join('\r\n');

export const ANSWER = OFFER.replace('sendonly', 'recvonly');

export class FakeConnection {
  constructor(configuration) {
    this.configuration = configuration;
    this.connectionState = 'new';
    this.remoteDescription = null;
    this.candidates = [];
    this.answer = ANSWER;
    this.frames = 0;
    this.bytes = 0;
    this.closed = false;
    this.transport = { state: 'connected', onstatechange: null };
  }

  getReceivers() {
    return [{ transport: this.transport }, { transport: null }];
  }

  async setRemoteDescription(description) {
    if (!description.sdp.startsWith('v=0')) {
      throw new Error('not a description');
    }
    this.remoteDescription = description;
  }

  async createAnswer() {
    return { type: 'answer', sdp: this.answer };
  }

  async setLocalDescription(description) {
    this.localDescription = description;
  }

  async addIceCandidate(candidate) {
    this.candidates.push(candidate);
  }

  async getStats() {
    const video = { type: 'inbound-rtp', kind: 'video', framesDecoded: this.frames, bytesReceived: this.bytes };
    return new Map([['in', video]]);
  }

  close() {
    this.closed = true;
  }

  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange();
  }

  /* A DTLS close_notify of the other side. */
  hearGoodbye() {
    this.transport.state = 'closed';
    this.transport.onstatechange();
  }

  track(id, mid, kind = 'video') {
    this.ontrack({ track: { id, kind }, receiver: { jitterBufferTarget: null }, streams: [{ id }], transceiver: { mid } });
  }
}

/* Lets promises that are ready run. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));
