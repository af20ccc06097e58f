/* Advice: what goes wrong for a presenter, and what to do about it, in words. Pure. */

const DEVICES = { screen: 'screen', camera: 'camera', microphone: 'microphone' };

/* What getDisplayMedia and getUserMedia threw. '' where the person only changed their mind. */
export function captureAdvice(error, kind) {
  const device = DEVICES[kind];
  switch (error.name) {
    case 'NotAllowedError':
      if (/system|policy/i.test(error.message)) {
        return `The system does not let this browser use the ${device}. Allow it in the system’s privacy settings, and start the browser again.`;
      }
      return kind === 'screen'
        ? 'Nothing is shared: the choice was closed, or this page may not share the screen.'
        : `The browser may not use the ${device}. Allow it with the icon beside the address, then try again.`;
    case 'NotFoundError':
      return kind === 'screen' ? 'There is no screen to share.' : `No ${device} was found. Connect one, then try again.`;
    case 'NotReadableError':
      return `The ${device} cannot be read: another program may use it. Close that one, then try again.`;
    case 'OverconstrainedError':
      return `The ${device} cannot do what is asked of it. Choose fewer pictures a second.`;
    case 'AbortError':
      return '';
    default:
      return `The ${device} cannot be shared: ${error.message}`;
  }
}

/* What this browser cannot do on this page at all; '' when it can do everything. */
export function environmentAdvice({ secure, webrtc, devices, display, host }) {
  if (!webrtc) {
    return 'This browser has no WebRTC, or it is switched off. Any current browser works.';
  }
  if (!secure) {
    return `Browsers share screens and cameras only from pages that come by https, or from localhost. Open this page as https://${host}/present`
      + ' (the server takes --tls-cert and --tls-key), or on the server’s own machine as http://localhost.';
  }
  if (!devices) {
    return 'This browser lets no page use cameras or screens. Any current browser does.';
  }
  return display ? '' : 'This browser cannot share its screen, as on phones. The camera works.';
}

const REASONS = {
  unreachable: 'The server does not answer. This page keeps trying.',
  lost: 'The connection to the server was lost.',
  silent: 'The server has gone silent.',
  redirect: 'The server pointed to an address that does not work.',
  'bad-secret': 'This room belongs to somebody else: its secret is another one. Choose a new room.',
  'room-taken': 'This code is taken. Choose another, or enter the room’s secret.',
  'room-not-found': 'The room has ended. It is made again.',
  'closed-server': 'On this server only its operator makes rooms. Ask for a code and its secret.',
  'server-full': 'The server has no room left. Try again later, or ask its operator.',
  'rate-limited': 'Too many tries from your network. Wait a moment.',
  'not-supported': 'This server takes no broadcasts from browsers.',
  'not-allowed': 'The server does not allow this.',
  replaced: 'You present this room from another page or program now. To go on here, try again.',
  'ice-failed': 'Your pictures do not reach the server: the network here may block UDP. Another network or a VPN may help.',
  'answer-timeout': 'The server did not answer in time.',
  'dtls-timeout': 'The encrypted connection could not be set up in time: a firewall may drop longer packets. Try another network.',
  'dtls-failed': 'The encrypted connection could not be set up: a proxy or an extension may be in the way.',
  'no-common-codec': 'The server forwards no codec that this browser sends. Choose another one.',
  'bad-sdp': 'Browser and server do not understand each other. Choose another codec, or update this browser.',
  'slot-taken': 'The server shows sources of its own in this room, and has no place left for yours.',
  'room-closed': 'The room has been ended. It is made again when you try again.',
  removed: 'The operator of this server has ended your broadcast.',
  draining: 'The server is about to stop. This page comes back when the server does.',
  'bad-offer': 'This browser cannot send what was chosen. Choose another codec.',
  'media-lost': 'The connection that carries your pictures was lost.',
  'consent-lost': 'The connection that carries your pictures was lost.',
  slots: 'Four sources at once are all there is room for. Stop one first.',
  internal: 'The server has a problem of its own.',
};
const ALIASES = {
  'secret-required': 'bad-secret', 'secret-invalid': 'bad-secret', 'ice-timeout': 'ice-failed', 'remote-closed': 'media-lost',
  'local-closed': 'media-lost', 'no-more-rooms': 'server-full', shutdown: 'draining',
};
/* Where the server's own words say something that these do not. */
const OPEN = new Set(['bad-sdp', 'bad-offer', 'internal', 'not-allowed', 'not-supported', 'no-common-codec']);

/* The sentence for a reason {code, text}; what the server said itself follows in brackets. */
export function explain(reason) {
  if (!reason) {
    return '';
  }
  const code = ALIASES[reason.code] ?? reason.code;
  const known = REASONS[code];
  if (!known) {
    return `The server said: ${reason.text || reason.code}.`;
  }
  const said = (reason.text ?? '').replace(/[.\s]+$/, '');
  return [said && OPEN.has(code) ? `${known} (${said})` : known, reason.tried].filter(Boolean).join(' ');
}

const WAYS = {
  TCP: 'UDP is blocked here, so your pictures go over TCP: they may be late at times.',
  relay: 'Your pictures go through a relay: a direct way was not found.',
};

/* One state and its words: {state, title, detail, retry}.
 * facts: client {state, reason, retryInS}, media, failure, way (of Publisher), sharing (something is), paused. */
export function describe({ client, media, failure, way, sharing, paused }) {
  const soon = client.retryInS > 0 ? ` Next try in ${client.retryInS} s.` : '';
  const say = (state, title, detail = '', retry = false) => ({ state, title, detail, retry });
  if (client.state === 'closed' && client.reason) {
    return say('refused', 'Not sharing', explain(client.reason), client.reason.code === 'replaced');
  }
  if (media === 'live' && client.state !== 'joined') {
    return say('live', 'Live', `Your pictures are still sent; the server is asked again.${soon}`);
  }
  if (client.state === 'waiting') {
    return say('reconnecting', 'Reconnecting', explain(client.reason) + soon, true);
  }
  if (media === 'lost') {
    return say('reconnecting', 'Reconnecting', explain(failure), true);
  }
  if (client.state === 'connecting' || client.state === 'joining') {
    return say('connecting', 'Connecting');
  }
  if (media === 'negotiating') {
    return say('connecting', failure ? 'Reconnecting' : 'Opening the connection', explain(failure));
  }
  if (!sharing || client.state !== 'joined') {
    return say('ready', 'Ready', client.state === 'joined' ? 'Nothing is shared.' : '');
  }
  return paused ? say('paused', 'Paused', 'Viewers see the last picture.') : say('live', 'Live', WAYS[way]);
}

/* What limits a picture at the sender, for its card. */
export function limitAdvice(limited) {
  return { cpu: 'this computer is too slow for it', bandwidth: 'your network is too slow for it' }[limited] ?? '';
}
