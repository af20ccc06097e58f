/* Health: what the figures of `GET /api/v1/stats` say about a viewer or a publisher, in words. Pure.
 *
 * Each verdict is {level: 'good'|'warn'|'bad'|'idle', words}: what is so, and what would help. A figure that
 * nobody has measured is null and says nothing. */

const REASONS = {
  'ice-timeout': 'no packet of it reached the server: UDP and TCP may be blocked there',
  'ice-failed': 'none of its addresses reaches the server',
  'dtls-timeout': 'its encryption was not set up in time: a firewall may drop longer packets',
  'dtls-failed': 'its encryption could not be set up: a proxy or an old browser',
  'consent-lost': 'it has not answered for 30 s: its network has gone, or its lid is closed',
  'remote-closed': 'it has left',
  'local-closed': 'it was disconnected',
  replaced: 'another presenter has taken over',
};

export const reasonWords = (reason) => REASONS[reason] ?? reason;

const percent = (value) => (Number.isFinite(value) ? `${value < 10 ? value.toFixed(1) : Math.round(value)} %` : '–');

export function rate(bps) {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

export function duration(seconds) {
  const s = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, '0');
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export function bytes(n) {
  return n >= 1e9 ? `${(n / 1e9).toFixed(1)} GB` : `${(n / 1e6).toFixed(n >= 1e7 ? 0 : 1)} MB`;
}

const MODES = {
  audio: 'Its network takes only the sound.',
  slides: 'Its network takes a picture now and then.',
};

/* What limits one that plays, the worst first. */
function limits(v) {
  const shown = (v.frames_decoded ?? 0) + (v.frames_dropped ?? 0);
  return [
    [v.unsupported_codec, 'bad', 'Its browser cannot decode this codec: choose another one, as H.264.'],
    [v.mode in MODES, 'bad', MODES[v.mode]],
    [v.loss_percent >= 5, 'bad', `Its network loses ${percent(v.loss_percent)} of the packets.`],
    [shown > 300 && v.frames_dropped > 0.1 * shown, 'bad', `Its device decodes too slowly: ${percent((100 * v.frames_dropped) / shown)} of the pictures are dropped.`],
    [v.queue_ms >= 300, 'bad', `Packets wait ${Math.round(v.queue_ms)} ms on the way to it: its network is too slow.`],
    [v.layer > 0, 'warn', `It gets a smaller picture (layer ${v.layer}): ${v.narrow ? 'its network takes no more' : 'that fits its window'}.`],
    [v.narrow, 'warn', 'Its network is narrow: what it gets is measured out.'],
    [v.loss_percent >= 1, 'warn', `Its network loses ${percent(v.loss_percent)} of the packets; they are sent again.`],
    [v.rtt_ms >= 250, 'warn', `It is far away: ${Math.round(v.rtt_ms)} ms there and back.`],
    [v.transport === 'tcp', 'warn', 'UDP is blocked there, so it watches over TCP.'],
  ];
}

export function viewerHealth(v) {
  switch (v.state) {
    case 'ice':
      return { level: 'idle', words: v.since_s > 5 ? 'Connecting: nothing of it has come yet. UDP may be blocked there; TCP is tried.' : 'Connecting: a way is looked for.' };
    case 'dtls':
      return { level: 'idle', words: 'Connecting: the encryption is set up.' };
    case 'wait-keyframe':
      return { level: 'idle', words: 'Connected; waits for a first picture.' };
    case 'closed':
      return { level: 'bad', words: `Ended: ${reasonWords(v.state_reason)}.` };
    default: {
      const worst = limits(v).find(([applies]) => applies);
      return worst ? { level: worst[1], words: worst[2] } : { level: 'good', words: 'Watches well.' };
    }
  }
}

/* Of a stream as the server sees it. */
export function streamHealth(s) {
  if (!s.live) {
    return { level: 'bad', words: s.end_reason ? `Ended: ${s.end_reason}.` : 'There is no picture.' };
  }
  if (s.paused) {
    return { level: 'idle', words: 'Paused.' };
  }
  const slow = s.capture_fps > 5 && s.encode_fps < 0.7 * s.capture_fps;
  return slow
    ? { level: 'warn', words: `This machine encodes ${Math.round(s.encode_fps)} of ${Math.round(s.capture_fps)} pictures a second: choose fewer or smaller ones.` }
    : { level: 'good', words: '' };
}

/* Of one that publishes into a room. */
export function publisherHealth(p) {
  if (p.state === 'closed') {
    return { level: 'bad', words: `Gone: ${reasonWords(p.state_reason)}. Its viewers wait.` };
  }
  if (p.state === 'ice' || p.state === 'dtls') {
    return { level: 'idle', words: 'Connecting.' };
  }
  if (p.state === 'wait-media') {
    return { level: 'idle', words: 'Connected; sends nothing yet.' };
  }
  return p.loss_percent >= 2
    ? { level: 'warn', words: `Its way here loses ${percent(p.loss_percent)} of the packets; they are asked for again.` }
    : { level: 'good', words: '' };
}

/* Who fares how, of a list: {good, warn, bad, idle}. */
export function count(viewers) {
  const sum = { good: 0, warn: 0, bad: 0, idle: 0 };
  viewers.forEach((v) => (sum[viewerHealth(v).level] += 1));
  return sum;
}
