/* Types of amphi.js, whose first comment says how the parts fit together. */

export const SUBPROTOCOL: 'amphi.v1';
export const CLIENT_NAME: string;

/** Why something did not work: a stable code, and the server's own words or ''. */
export interface Reason {
  code: string;
  text: string;
}

/** A stream of a room, as it is told to viewers. */
export interface Stream {
  trackId: string;
  windowName: string;
  appName: string;
  isFocused: boolean;
  width: number;
  height: number;
  codec: string;
  layers: number | null;
  layerSizes: { width: number; height: number; bitrate: number }[];
  /** null where the server does not tell */
  audio: boolean | null;
  paused: boolean;
  endReason: string;
}

export interface EndedStream {
  trackId: string;
  windowName: string;
  appName: string;
  endReason: string;
}

/** What a viewer wants to receive of a stream; layer 0 is the best one. */
export interface Selection {
  trackId: string;
  layer?: 'auto' | 0 | 1 | 2;
  paused?: boolean;
}

export type ClientState = 'idle' | 'connecting' | 'joining' | 'password' | 'joined' | 'waiting' | 'closed';

/** Any message of the protocol that has no event of its own. */
export interface Message {
  type: string;
  [field: string]: unknown;
}

export interface ClientEvents {
  state: { state: ClientState; reason: Reason | null; attempt: number; retryAt: number | null };
  joined: Message;
  streams: { streams: Stream[]; ended: EndedStream[] };
  cursor: { trackId: string; x: number; y: number; inView: boolean };
  offer: { sdp: string; peerId: string };
  answer: { sdp: string; peerId: string };
  ice: { candidate: string; peerId: string };
  sharer: { live: boolean; type: string };
  password: { error: string };
  error: { code: string; error: string };
  message: Message;
}

/** An EventTarget whose events are CustomEvents with a known `detail`. */
declare class Emitter<Events> {
  addEventListener<Name extends keyof Events & string>(
    type: Name, listener: (event: CustomEvent<Events[Name]>) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Name extends keyof Events & string>(
    type: Name, listener: (event: CustomEvent<Events[Name]>) => void, options?: boolean | EventListenerOptions,
  ): void;
}

export interface Credentials {
  role?: 'viewer' | 'sharer';
  password?: string;
  secret?: string;
  token?: string;
}

/** One WebSocket of amphi.v1 that comes back by itself. It knows nothing of media. */
export class AmphiClient extends Emitter<ClientEvents> {
  constructor(options?: {
    WebSocket?: typeof WebSocket;
    now?: () => number;
    random?: () => number;
    backoff?: { attempt: number; next(): number; reset(): void };
  });
  readonly state: ClientState;
  readonly reason: Reason | null;
  readonly retryAt: number | null;
  readonly attempt: number;
  readonly room: string;
  readonly role: 'viewer' | 'sharer';
  readonly peerId: string;
  readonly protocol: number;
  readonly resumed: boolean;
  readonly reconnecting: boolean;
  readonly iceServers: RTCIceServer[];
  readonly streams: Stream[];
  readonly ended: EndedStream[];
  readonly announced: boolean;
  connect(url: string, room: string, credentials?: Credentials): void;
  joinWith(password: string): void;
  select(streams: Selection[]): boolean;
  retryNow(): void;
  rejoin(): void;
  probe(): void;
  /** false while there is no socket: nothing is queued */
  send(message: Message): boolean;
  close(): void;
}

export interface BroadcastEvents {
  stream: { trackId: string; media: MediaStream; name: string; peer: unknown };
  gone: { trackId: string };
  streams: ClientEvents['streams'];
  state: ClientEvents['state'];
  password: ClientEvents['password'];
  failed: Reason;
}

/** A room that is watched, as media streams for <video> elements. */
export interface Broadcast extends Emitter<BroadcastEvents> {
  readonly client: AmphiClient;
  readonly streams: Stream[];
  select(streams: Selection[]): boolean;
  close(): void;
}

export interface Source {
  track: MediaStreamTrack;
  name?: string;
  app?: string;
  hint?: '' | 'detail' | 'text' | 'motion';
  paused?: boolean;
}

export interface PublishSettings {
  /** bits per second, of the best layer */
  bitrate: number;
  fps: number;
  codec: 'h264' | 'vp8' | 'vp9' | 'av1';
  simulcast: boolean;
}

/** What is sent of one slot. null: nobody has measured it. */
export interface Figures {
  width: number;
  height: number;
  fps: number;
  bps: number | null;
  codec: string;
  limited: '' | 'cpu' | 'bandwidth';
  rttMs: number | null;
  lost: number | null;
  steady: boolean;
}

export interface PublisherEvents {
  change: null;
  closed: null;
  ended: { source: ActiveSource };
  wish: { bitrate: number; layers: number[]; reason: string };
  audience: { viewers: number; good: number; poor: number; joining: number; worst: string };
}

export interface ActiveSource extends Required<Source> {
  slot: number;
  width: number;
  height: number;
}

/** What one presenter sends into a room: four pictures at most, and one sound. */
export interface Publisher extends Emitter<PublisherEvents> {
  readonly active: ActiveSource[];
  readonly media: 'none' | 'negotiating' | 'live' | 'lost';
  readonly failure: (Reason & { tried: string }) | null;
  readonly focused: number;
  readonly settings: PublishSettings;
  readonly wish: PublisherEvents['wish'] | null;
  readonly peerConnection: RTCPeerConnection | null;
  add(source: Source): number;
  remove(slot: number): void;
  setSound(track: MediaStreamTrack | null): void;
  focus(slot: number): void;
  change(slot: number, what: Partial<Pick<Source, 'paused' | 'name' | 'hint'>>): void;
  configure(settings: Partial<PublishSettings>): void;
  setPassword(password: string, secret: string): boolean;
  /** What publish() does each second: tells sizes that changed, replaces what does not come; the figures by slot. */
  tick(): Promise<Map<number, Figures>>;
  retryNow(): void;
  /** Says that it is over, and lets go of everything. */
  stop(): void;
}

export interface Room {
  room: string;
  secret: string;
  url: string;
  publish_url: string;
  watch_url: string;
}

/** A redirect's target as a WebSocket URL, or null when it cannot be one. */
export function socketUrl(target: string, base?: string | URL): string | null;
export function readLink(link: string, base?: string): { socket: string | null; origin: string; room: string };

/** Makes a room. Rejects with an Error whose `code` is stable. */
export function createRoom(origin: string, wish?: { room?: string; password?: string }, options?: { fetch?: typeof fetch }): Promise<Room>;
export function watch(link: string, options?: { password?: string; token?: string; client?: AmphiClient }): Promise<Broadcast>;
export function publish(link: string, options: {
  secret: string; sources?: Source[]; sound?: MediaStreamTrack | null; settings?: Partial<PublishSettings>; client?: AmphiClient;
}): Promise<Publisher>;
