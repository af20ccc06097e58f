/* A bad network of one's own: a UDP relay on loopback between clients and one server. Each client has a
 * socket of its own towards the server, as behind a NAT; rebind() gives all of them new ones, and what
 * still comes to the old ones is dropped, without a word as a NAT does it. All clients share one link each
 * way, or have links of their own (`apart`), each of another seed. Bounded: clients, old sockets,
 * datagrams under way, and their size by UDP. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { Link } from './link.mjs';

const HOST = '127.0.0.1';
const CLIENTS_MAX = 64;
const UNDER_WAY_MAX = 8192; // per direction
const OLD_MAX = 256;

const now = () => performance.now();

/** Datagrams that arrive later, earliest first; those at the same time in the order they came. */
class UnderWay {
  #list = [];
  #timer = null;

  /** False if there is no room. What is due is delivered at once. */
  add(at, deliver) {
    if (at <= now() && this.#list.length === 0) {
      deliver();
      return true;
    }
    if (this.#list.length >= UNDER_WAY_MAX) {
      return false;
    }
    let low = 0, high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      [low, high] = this.#list[middle].at <= at ? [middle + 1, high] : [low, middle];
    }
    this.#list.splice(low, 0, { at, deliver });
    if (low === 0) {
      this.#arm();
    }
    return true;
  }

  clear() {
    this.#list = [];
    clearTimeout(this.#timer);
  }

  #arm() {
    clearTimeout(this.#timer);
    if (this.#list.length > 0) {
      this.#timer = setTimeout(() => this.#run(), Math.max(0, this.#list[0].at - now()));
    }
  }

  #run() {
    let n = 0;
    while (n < this.#list.length && this.#list[n].at <= now()) {
      this.#list[n++].deliver();
    }
    this.#list.splice(0, n);
    this.#arm();
  }
}

export class Relay {
  #server;
  #seed;
  #apart;
  #front = dgram.createSocket('udp4');
  #clients = new Map(); // "address:port" -> {address, port, socket}
  #old = []; // sockets towards the server that no client has any more
  #under = { up: new UnderWay(), down: new UnderWay() };
  #closed = false;

  /** up: towards the server; both may be given settings of a Link to begin with. `onDatagram` is told
   * of each datagram that is passed on: ('up' or 'down', data). */
  static async start(serverPort,
    { seed = 1, up = {}, down = {}, apart = false, onDatagram = null } = {}) {
    const relay = new Relay(serverPort, { seed, up, down, apart });
    relay.onDatagram = onDatagram;
    relay.#front.bind(0, HOST);
    await once(relay.#front, 'listening');
    return relay;
  }

  constructor(serverPort, { seed, up, down, apart = false }) {
    this.#server = serverPort;
    this.#seed = seed;
    this.#apart = apart;
    this.up = new Link(2 * seed, up);
    this.down = new Link(2 * seed + 1, down);
    this.counters = { refused: 0, strange: 0, stale: 0, overflow: 0, rebinds: 0, errors: 0 };
    this.#front.on('message', (data, { address, port }) => this.#fromClient(data, address, port));
    this.#front.on('error', () => this.counters.errors++);
  }

  /** What clients take for the server. */
  get port() {
    return this.#front.address().port;
  }

  /** What the server takes for the clients. */
  get serverSidePorts() {
    return [...this.#clients.values()].map(({ socket }) => socket.address().port);
  }

  /** Changes both directions. */
  set(change) {
    for (const link of this.#links()) {
      link.set(change);
    }
  }

  /** Nothing passes for so long, either way. */
  blackout(ms) {
    for (const link of this.#links()) {
      link.blackout(now() + ms);
    }
  }

  /** All clients come from new ports from now on; resolves once they are there. */
  async rebind() {
    this.counters.rebinds++;
    await Promise.all([...this.#clients.values()].map(async (client) => {
      const fresh = this.#openServerSide(client);
      await once(fresh, 'listening');
      this.#old.push(client.socket);
      client.socket = fresh;
    }));
    while (this.#old.length > OLD_MAX) {
      this.#old.shift().close();
    }
  }

  close() {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#under.up.clear();
    this.#under.down.clear();
    this.#front.close();
    for (const socket of [...this.#old, ...[...this.#clients.values()].map((c) => c.socket)]) {
      socket.close();
    }
  }

  #links() {
    const own = this.#apart ? [...this.#clients.values()].flatMap(({ up, down }) => [up, down]) : [];
    return [this.up, this.down, ...own];
  }

  #openServerSide(client) {
    const socket = dgram.createSocket('udp4');
    socket.on('message', (data, { address, port }) => {
      if (address !== HOST || port !== this.#server) {
        this.counters.strange++;
      } else if (client.socket !== socket) {
        this.counters.stale++;
      } else {
        this.#send('down', client, data, () => this.#front.send(data, client.port, client.address));
      }
    });
    socket.on('error', () => this.counters.errors++);
    socket.bind(0, HOST);
    return socket;
  }

  #fromClient(data, address, port) {
    const name = `${address}:${port}`;
    let client = this.#clients.get(name);
    if (!client) {
      if (this.#clients.size >= CLIENTS_MAX) {
        this.counters.refused++;
        return;
      }
      client = { address, port, up: this.up, down: this.down };
      if (this.#apart) {
        const n = 2 * (this.#seed + 1000 * (this.#clients.size + 1));
        client.up = new Link(n, this.up.settings);
        client.down = new Link(n + 1, this.down.settings);
      }
      client.socket = this.#openServerSide(client);
      this.#clients.set(name, client);
    }
    this.#send('up', client, data, () => client.socket.send(data, this.#server, HOST));
  }

  #send(direction, client, data, send) {
    const deliver = () => {
      this.onDatagram?.(direction, data);
      send();
    };
    for (const at of client[direction].pass(now(), data.length)) {
      if (!this.#under[direction].add(at, deliver)) {
        this.counters.overflow++;
      }
    }
  }
}
