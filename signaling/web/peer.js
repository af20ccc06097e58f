/* MediaPeer: one RTCPeerConnection that receives what one offer offers.
 *
 * It answers the offer, trickles both ways, and says which of its tracks is which stream. It never
 * reconnects: a session replaces it by another one. Events: `track` (there are new ones), and `state` with the connection
 * state in `detail`, `closed` when the other side has said goodbye (DTLS close_notify), which the
 * connection state shows only seconds later. The SDP readers above the class are pure. */

/* The m-sections of a description: [{kind, mid, port, direction, trackId, streamId}]. */
export function mediaSections(sdp) {
  const sections = [];
  for (const line of sdp.split(/\r?\n/)) {
    const media = /^m=(\S+) (\d+)/.exec(line);
    if (media) {
      sections.push({ kind: media[1], port: Number(media[2]), mid: '', direction: 'sendrecv', trackId: '', streamId: '' });
      continue;
    }
    const section = sections.at(-1);
    const attribute = /^a=(mid|msid):(.*)$/.exec(line);
    if (section && attribute?.[1] === 'mid') {
      section.mid = attribute[2].trim();
    } else if (section && attribute) {
      const ids = attribute[2].trim().split(' '); // RFC 8830: stream id, then track id
      section.streamId = ids[0];
      section.trackId = ids.at(-1);
    } else if (section && /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/.test(line)) {
      section.direction = line.slice(2).trim();
    }
  }
  return sections;
}

/* Whether a description leaves any video to be received or sent. */
export function carriesVideo(sdp) {
  return mediaSections(sdp).some(
    (s) => s.kind === 'video' && s.port !== 0 && s.direction !== 'inactive',
  );
}

/* The names of the video codecs a description offers, without the repair formats. */
export function videoCodecs(sdp) {
  const video = sdp.split(/^(?=m=)/m).filter((part) => part.startsWith('m=video'));
  const names = video.flatMap((part) => [...part.matchAll(/^a=rtpmap:\d+ ([^/\s]+)/gm)]);
  const repair = new Set(['rtx', 'red', 'ulpfec', 'flexfec-03']);
  return [...new Set(names.map((match) => match[1]))].filter((name) => !repair.has(name));
}

/* The codecs a description has for one track's m-section, lower case, by its mid. */
export function codecsOf(sdp, mid) {
  const part = sdp.split(/^(?=m=)/m).find((p) => p.match(/^a=mid:(\S+)/m)?.[1] === mid);
  return part && !/^m=\S+ 0 /.test(part) ? videoCodecs(part).map((name) => name.toLowerCase()) : [];
}

/* Browsers decode Opus in mono unless their own description asks for stereo (RFC 7587 6.1). */
export function withStereo(sdp) {
  const types = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\//gim)].map((match) => match[1]);
  return types.reduce((text, type) => {
    const line = new RegExp(`^a=fmtp:${type} (?!.*\\bstereo=)([^\\r\\n]*)`, 'gm');
    return text.replace(line, `a=fmtp:${type} $1;stereo=1`);
  }, sdp);
}

/* Whether `sdp` continues the session of `before`: same session id, higher version (RFC 3264 8). */
export function continuesSession(before, sdp) {
  const origin = (text) => /^o=\S+ (\d+) (\d+) /m.exec(text);
  const [a, b] = [origin(before), origin(sdp)];
  return Boolean(a && b) && a[1] === b[1] && BigInt(b[2]) > BigInt(a[2]);
}

function parseCandidate(candidate) {
  if (typeof candidate !== 'string') {
    return candidate;
  }
  try {
    return JSON.parse(candidate);
  } catch {
    return null;
  }
}

/* Two names for the same wish: browsers know one or the other. */
function hold(receiver, ms) {
  if ('jitterBufferTarget' in receiver) {
    receiver.jitterBufferTarget = ms;
  }
  if ('playoutDelayHint' in receiver) {
    receiver.playoutDelayHint = ms / 1000;
  }
}

export class MediaPeer extends EventTarget {
  #send;
  #early = []; // candidates that came before their description
  #offer = '';
  #answer = '';
  #sections = []; // of the offer
  #accepting = false;

  /* `pc` is owned from here on; `send` puts one message on the signaling socket. */
  constructor(pc, { peerId, send }) {
    super();
    this.pc = pc;
    this.peerId = peerId;
    this.tracks = new Map(); // trackId -> {id, kind, mid, streamId, track, receiver}
    this.closed = false;
    this.ended = false; // the other side has said goodbye: what is still decoded was on its way before
    this.#send = send;
    pc.ontrack = (event) => this.#onTrack(event);
    pc.onicecandidate = ({ candidate }) => this.#onCandidate(candidate);
    pc.onconnectionstatechange = () => this.#tell(pc.connectionState);
  }

  get state() {
    return this.closed ? 'closed' : this.pc.connectionState;
  }

  /* Accepts an offer, the first or a later one. Throws an Error with a `code` when it cannot. */
  async accept(sdp) {
    this.#offer = sdp;
    this.#sections = mediaSections(sdp);
    this.#accepting = true; // the tracks of an offer come one by one, and are told together
    try {
      await this.pc.setRemoteDescription({ type: 'offer', sdp });
    } finally {
      this.#accepting = false;
    }
    this.dispatchEvent(new CustomEvent('track', { detail: this }));
    for (const candidate of this.#early.splice(0)) {
      await this.#addCandidate(candidate);
    }
    const answer = await this.pc.createAnswer();
    if (carriesVideo(sdp) && !carriesVideo(answer.sdp)) {
      const names = videoCodecs(sdp).join(', ');
      throw Object.assign(new Error(names), { code: 'codec' });
    }
    this.#answer = withStereo(answer.sdp);
    const applied = this.pc.setLocalDescription({ type: 'answer', sdp: this.#answer });
    this.#send({ type: 'answer', sdp: this.#answer, peerId: this.peerId }); // the server need not wait for it
    await applied;
    this.#listenForGoodbye();
  }

  /* Whether a stream's codec was agreed upon. What is not known is hoped for. */
  plays(trackId, codec) {
    const entry = this.tracks.get(trackId);
    const agreed = entry?.mid ? codecsOf(this.#answer, entry.mid) : [];
    return !codec || agreed.length === 0 || agreed.includes(codec.toLowerCase());
  }

  continues(sdp) {
    return continuesSession(this.#offer, sdp);
  }

  /* A trickled candidate: a JSON string or an object; an empty one ends the list. */
  async candidate(value) {
    const candidate = parseCandidate(value);
    if (!candidate?.candidate) {
      return; // the end of the list tells an answering browser nothing it has to act on
    }
    if (this.pc.remoteDescription) {
      await this.#addCandidate(candidate);
    } else {
      this.#early.push(candidate);
    }
  }

  videoTracks() {
    return [...this.tracks.values()].filter((entry) => entry.kind === 'video');
  }

  audioTracks() {
    return [...this.tracks.values()].filter((entry) => entry.kind === 'audio');
  }

  /* The sound that belongs to a picture: that of its media stream, or where there is one sound only, as
   * from GoPeep, that one. */
  soundOf(trackId) {
    const sounds = this.audioTracks();
    const { streamId } = this.tracks.get(trackId) ?? {};
    return sounds.find((entry) => entry.streamId === streamId) ?? (sounds.length === 1 ? sounds[0] : null);
  }

  /* How long frames are held back at least, so that what is lost may be sent again; 0: not at all. */
  setTarget(ms) {
    for (const { receiver } of this.tracks.values()) {
      hold(receiver, ms);
    }
  }

  close() {
    this.closed = true;
    this.pc.close();
  }

  #tell(state) {
    if (!this.closed) {
      this.dispatchEvent(new CustomEvent('state', { detail: state }));
    }
  }

  /* The transports exist once both descriptions are there; bundled, it is one for all. */
  #listenForGoodbye() {
    for (const { transport } of this.pc.getReceivers()) {
      if (transport) {
        transport.onstatechange = () => transport.state === 'closed' && this.#onGoodbye();
      }
    }
  }

  #onGoodbye() {
    this.ended = true;
    this.#tell('closed');
  }

  async #addCandidate(candidate) {
    try {
      await this.pc.addIceCandidate(candidate);
    } catch {
      // One candidate this browser cannot use; the others decide whether there is a way.
    }
  }

  #onCandidate(candidate) {
    const value = candidate?.candidate ? JSON.stringify(candidate.toJSON()) : '';
    if (!candidate || value) {
      this.#send({ type: 'ice', candidate: value, peerId: this.peerId });
    }
  }

  /* The offer's msid names the stream. Browsers may hide it from the track object, the mid they may not. */
  #onTrack({ track, receiver, streams, transceiver }) {
    const section = this.#sections.find((s) => s.mid === transceiver?.mid);
    const id = section?.trackId || streams[0]?.id || track.id;
    hold(receiver, 0);
    const streamId = section?.streamId || streams[0]?.id || '';
    this.tracks.set(id, { id, kind: track.kind, mid: section?.mid ?? '', streamId, track, receiver });
    if (!this.#accepting) {
      this.dispatchEvent(new CustomEvent('track', { detail: this }));
    }
  }
}
