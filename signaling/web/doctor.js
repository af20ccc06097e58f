/* Doctor: what is wrong and what to do about it, in words for a person. Pure.
 *
 * explain(reason) is for what ended or was refused: an error code of the server (signaling/README.md), the
 * reason it gave for the end of a media session, or what this page found itself. verdict(figures, facts)
 * is for a picture that plays: what limits it, from the player's own counters. */

/* code -> [what happened, what to do]; the server's own words follow the first one in brackets. */
const REASONS = {
  lost: ['The connection to the server was lost.', ''],
  unreachable: ['The server does not answer.', 'Check that this device is online; this page keeps trying.'],
  silent: ['The server has gone silent.', ''],
  redirect: ['The server pointed to an address that does not work.', ''],
  draining: ['The server is about to stop.', 'This page finds the broadcast again when it is back.'],
  'not-allowed': ['The server does not allow this.', ''],
  'not-supported': ['This server cannot do that.', ''],
  'bad-json': ['The server did not understand this page.', 'Reloading it may help.'],
  'bad-message': ['The server did not understand this page.', 'Reloading it may help.'],
  'not-joined': ['The server did not understand this page.', 'Reloading it may help.'],
  'too-large': ['The server did not understand this page.', 'Reloading it may help.'],
  internal: ['The server has a problem of its own.', 'It is asked again.'],
  'rate-limited': ['Too many viewers joined from your network at once.', 'This page waits its turn.'],
  'token-invalid': ['This link does not open the room: it is for another one, or has run out.', 'Ask the presenter for a new link.'],
  'token-used': ['This link was used before, and works once.', 'Ask the presenter for a new link.'],
  'ice-failed': ['The picture cannot reach this device.', 'Its network seems to block UDP and TCP to the server: try another network, or a VPN.'],
  'answer-timeout': ['Setting up the media connection took too long.', 'It is tried again.'],
  'dtls-timeout': ['The encrypted media connection could not be set up in time.', 'If it keeps failing, a firewall may change the packets: try another network.'],
  'dtls-failed': ['The encrypted media connection could not be set up.', 'Extensions that guard privacy may prevent it: try without them, or another browser.'],
  'bad-sdp': ['Browser and server could not agree on a media connection.', 'Update this browser, or try another one.'],
  codec: ['This browser cannot decode this broadcast’s video.', 'Another browser may: Chrome, Edge, Safari and Firefox differ in what they play.'],
  'media-lost': ['The media connection was lost.', ''],
  'local-closed': ['The server ended the media connection.', ''],
  removed: ['The operator of this server has ended your session.', ''],
  'room-closed': ['The room has ended.', 'If it starts again under this code, it continues here.'],
  shutdown: ['The server stops.', 'This page finds the broadcast again when it is back.'],
  replaced: ['The server ended the media connection for a newer one.', ''],
  'no-frame': ['The connection stands, but no picture arrives.', ''],
  'no-offer': ['The server has not offered the picture yet.', ''],
};

const ALIASES = {
  'ice-timeout': 'ice-failed', 'bad-offer': 'bad-sdp', 'no-common-codec': 'codec', 'consent-lost': 'media-lost', 'remote-closed': 'media-lost',
};

/* What the server says to these only repeats the sentence here. */
const COMPLETE = new Set(['removed', 'room-closed', 'shutdown', 'rate-limited', 'ice-failed', 'dtls-timeout', 'answer-timeout', 'media-lost', 'local-closed', 'draining', 'token-invalid', 'token-used']);

/* The words for {code, text, tried}: what, what to do, and which ways were tried. */
export function explain(reason) {
  if (!reason) {
    return '';
  }
  const code = ALIASES[reason.code] ?? reason.code;
  const [what, advice] = REASONS[code] ?? [];
  if (!what) {
    return `The server said: ${reason.text || reason.code}.`;
  }
  const said = reason.text && !COMPLETE.has(code) ? ` (${reason.text.replace(/[.\s]+$/, '')})` : '';
  return [what.replace(/\.$/, `${said}.`), advice, reason.tried ?? ''].filter(Boolean).join(' ');
}

/* ---- which ways were tried ---- */

/* The candidates of a description: [{type, transport, address}]. */
export function candidatesOf(sdp) {
  const lines = (sdp ?? '').matchAll(/^a=candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ (\S+)(?:.* tcptype (\S+))?/gm);
  const all = [...lines].map(([, transport, host, port, type, tcptype]) => ({
    type, transport: transport.toUpperCase(), address: `${host.includes(':') ? `[${host}]` : host}:${port}`, active: tcptype === 'active',
  }));
  return all.filter((c, i) => all.findIndex((o) => o.transport === c.transport && o.address === c.address) === i);
}

const TYPES = { host: 'its own address', srflx: 'its public address', prflx: 'its public address', relay: 'a relay' };
const SHOWN = 4; // addresses of a server

function list(words) {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/* The sentence about what a connection tried, from its two descriptions. */
export function triedWords(local, remote) {
  const ours = candidatesOf(local);
  const theirs = candidatesOf(remote);
  if (theirs.length === 0) {
    return 'The server has named no address.';
  }
  if (ours.length === 0) {
    return 'This browser has named no address: its settings or an extension may hide them.';
  }
  const named = [...new Set(ours.map(({ type }) => TYPES[type] ?? type))];
  const shown = theirs.slice(0, SHOWN).map(({ transport, address }) => `${transport} ${address}`);
  const more = theirs.length > SHOWN ? [`${theirs.length - SHOWN} more`] : [];
  const udpOnly = theirs.every(({ transport }) => transport === 'UDP') ? ' The server offers no TCP.' : '';
  return `Tried from ${list(named)} to ${list([...shown, ...more])}.${udpOnly}`;
}

/* ---- what limits a picture that plays ---- */

const BUSY = 0.85; // of each second spent on decoding
const STILL_FPS = 2;

const percent = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
const speed = (bps) => (bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`);

function decoderSlow(f) {
  const late = f.droppedPerS !== null && f.receivedFps > STILL_FPS && f.droppedPerS > 0.15 * f.receivedFps;
  const busy = f.decodeMs !== null && f.receivedFps !== null && (f.decodeMs * f.receivedFps) / 1000 > BUSY;
  return late || (busy && f.receivedFps > STILL_FPS);
}

/* figures of stats.js; facts {stream, quality: 'auto'|number, smallest: is it the last layer}
 * -> {cause, level: 'good'|'warn'|'bad', text}; null while nothing is known. The first that fits, the worst
 * first. */
export function verdict(f, { stream, quality = 'auto' } = {}) {
  if (!f || f.fps === null) {
    return null;
  }
  const say = (cause, level, text) => ({ cause, level, text: f.transport === 'TCP' && level !== 'good'
    ? `${text} UDP is blocked on this network, so the picture comes by TCP.` : text });
  const sizes = stream?.layerSizes ?? [];
  const least = sizes.at(-1);
  const lowest = !least || sizes.length === 1 || (f.width !== null && f.width <= least.width);
  const smaller = lowest ? 'Ask the presenter for a smaller picture, or close other programs.' : 'Choose a smaller quality, or close other programs.';
  const suffers = f.lossPercent >= 3 || f.jitterBufferMs >= 400;
  if (decoderSlow(f)) {
    return say('decoder', 'bad', `This device decodes too slowly: of ${Math.round(f.receivedFps)} pictures a second it shows ${Math.round(f.fps)}. ${smaller}`);
  }
  if (suffers && lowest && least?.bitrate > 0 && f.bitrateBps < 0.8 * least.bitrate) {
    return say('network', 'bad', `Your network is too slow for the smallest picture: ${speed(f.bitrateBps)} arrive, it needs ${speed(least.bitrate)}. Come nearer to the access point, or use a cable.`);
  }
  if (f.lossPercent >= 5) {
    return say('loss', 'bad', `Your network loses ${percent(f.lossPercent)} of the packets. Come nearer to the access point, or use a cable.`);
  }
  if (f.jitterBufferMs >= 500) {
    return say('uneven', 'bad', `The picture arrives unevenly and is ${Math.round(f.jitterBufferMs)} ms late.`);
  }
  if (f.lossPercent >= 1) {
    return say('loss', 'warn', `Your network loses ${percent(f.lossPercent)} of the packets; they are sent again.`);
  }
  if (f.rttMs >= 200) {
    return say('far', 'warn', `The server is far away: ${Math.round(f.rttMs)} ms there and back.`);
  }
  const whole = sizes[0] ?? stream;
  if (whole?.width && f.width !== null && f.width < 0.9 * whole.width) {
    const why = quality === 'auto' ? 'what the network and this window take' : 'what you chose';
    return say('layer', quality === 'auto' ? 'warn' : 'good', `You get ${f.width} × ${f.height} of ${whole.width} × ${whole.height}: ${why}.`);
  }
  if (f.transport === 'TCP') {
    return { cause: 'tcp', level: 'warn', text: 'UDP is blocked on this network, so the picture comes by TCP: it may be late at times.' };
  }
  return f.fps < STILL_FPS
    ? say('still', 'good', 'All is well: nothing moves in the presenter’s picture.')
    : say('', 'good', `All is well: ${Math.round(f.fps)} pictures a second, ${speed(f.bitrateBps ?? 0)}.`);
}
