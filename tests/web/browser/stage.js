/* Stage: the server as a presenter page sees it: rooms with secrets, and a second page that takes what
 * he sends (stage-page.js). Made upon a Hub of harness.js. */

import { until } from './harness.js';

export class Stage {
  constructor(hub) {
    this.hub = hub;
    this.secrets = new Map(); // room -> secret
    this.passwords = new Map();
    this.refuse = null; // {status, json} instead of a room
    this.tokens = true; // the server makes them
    this.tickets = 0;
    this.socket = null;
    this.sharers = 0;
    hub.api = (method, path, body) => this.#api(method, path, body);
    hub.sharer = (socket, message) => this.#receive(socket, message);
  }

  /* The page that takes pictures, with `arriving` and the like in window.stage. */
  async open(browser, url) {
    this.page = await browser.newPage();
    await this.page.goto(`${url}/mock/stage`);
    await this.page.waitForFunction(() => window.ready === true);
    await until('the stage is there', () => this.hub.presenter !== null);
    // what the stage says is for the presenter's socket
    this.hub.presenter.removeAllListeners('message');
    this.hub.presenter.on('message', (data) => this.socket?.send(String(data)));
    return this.page;
  }

  tell(message) {
    this.socket.send(JSON.stringify(message));
  }

  said(type) {
    return this.hub.received.filter((message) => message.type === type);
  }

  async arriving() {
    return this.page.evaluate(() => window.stage.arriving());
  }

  #api(method, path, { room = `QUIET-LYNX-${100 + this.secrets.size}`, password = '' }) {
    const [, of, rest] = /^\/api\/v1\/rooms\/([\w-]+)(\/tokens)?$/.exec(path) ?? [];
    if (of && method === 'GET') {
      return { status: 200, json: { tokens: this.tokens, password_required: Boolean(this.passwords.get(of)) } };
    }
    if (rest && method === 'POST' && this.tokens) {
      this.tickets += 1;
      return { status: 201, json: { url: `/${of}#token=ticket-${this.tickets}` } };
    }
    if (method !== 'POST' || path !== '/api/v1/rooms') {
      return { status: 404, json: { detail: 'there is no such thing' } };
    }
    if (this.refuse) {
      return this.refuse;
    }
    if (this.secrets.has(room)) {
      return { status: 409, json: { detail: 'this code is taken' } };
    }
    this.secrets.set(room, `secret-of-${room}`);
    this.passwords.set(room, password);
    return { status: 201, json: { room, secret: this.secrets.get(room), url: `/${room}` } };
  }

  #receive(socket, message) {
    const say = (answer) => socket.send(JSON.stringify(answer));
    if (message.type === 'join') {
      this.#join(socket, message, say);
    } else if (message.type === 'ping') {
      say({ type: 'pong', t: message.t });
    } else if (message.type === 'offer' || message.type === 'ice') {
      this.hub.tell(message);
    } else if (message.type === 'password-update') {
      this.passwords.set(socket.room, message.password);
      say({ type: 'password-updated', protected: message.password !== '' });
    }
  }

  #join(socket, { room, secret, resume }, say) {
    if (!this.secrets.has(room)) {
      say({ type: 'error', code: 'room-not-found', error: `no room ${room}` });
      socket.close();
    } else if (this.secrets.get(room) !== secret) {
      say({ type: 'error', code: 'secret-invalid', error: 'that is not the secret of this room' });
    } else {
      this.sharers += 1;
      Object.assign(socket, { sharing: true, room });
      this.socket = socket;
      say({
        type: 'joined', room, role: 'sharer', peerId: `s${this.sharers}`, protocol: 1, iceServers: [], viewers: 3,
        resume: 'resume-1', ...(resume === 'resume-1' && { resumed: true }),
      });
    }
  }
}
