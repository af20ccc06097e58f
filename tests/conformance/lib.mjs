/* What the conformance tests need: the program without a browser, requests as they are on the wire,
 * and offers with every part that a rule is about. Nothing here connects any media. */
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { ROOT, TOKEN, start, until } from '../e2e/lib.mjs';

export const SDP = 'application/sdp';
export const FRAGMENT = 'application/trickle-ice-sdpfrag';
export const JSON_TYPE = 'application/json';

export const program = process.env.AMPHI ?? path.join(ROOT, 'build/release/amphi');

/** The program on free ports; `args` as on its command line. */
export async function serve(args = []) {
  const run = start(program, ['--listen', '127.0.0.1:0', '--udp-port', '0', '--advertise',
    '127.0.0.1', '--admin-token', TOKEN, '--drain-timeout', '0', ...args]);
  let ended = null;
  run.exited.then((how) => (ended = how));
  await until('the program prints its URL', () => {
    assert.equal(ended, null, run.stderr);
    return /watch: \S+/.test(run.stdout);
  });
  run.origin = new URL(run.stdout.match(/watch: (\S+)/)[1]).origin;
  return run;
}

/** {status, headers, body}; `headers` has lists for what came several times. Redirects stay. */
export function ask(origin, method, where, headers = {}, body = undefined) {
  const url = new URL(where, origin);
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (data) => (text += data));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers,
        all: answer.headersDistinct ?? {}, body: text }));
    });
    request.on('error', reject);
    request.setTimeout(15000, () => request.destroy(new Error(`no answer to ${method} ${where}`)));
    request.end(body);
  });
}

/** A room of one's own: {room, secret, bearer}. */
export async function makeRoom(origin, wish = {}) {
  const answer = await ask(origin, 'POST', '/api/v1/rooms', { 'Content-Type': JSON_TYPE },
    JSON.stringify(wish));
  assert.equal(answer.status, 201, answer.body);
  const made = JSON.parse(answer.body);
  return { ...made, bearer: { Authorization: `Bearer ${made.secret}` } };
}

const FINGERPRINT = Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':');

const VIDEO = ['a=rtpmap:96 VP8/90000', 'a=rtcp-fb:96 nack', 'a=rtcp-fb:96 nack pli',
  'a=rtcp-fb:96 transport-cc', 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96',
  'a=rtpmap:102 H264/90000',
  'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  'a=rtcp-fb:102 nack', 'a=rtcp-fb:102 nack pli', 'a=rtpmap:103 rtx/90000', 'a=fmtp:103 apt=102'];

/** An offer: `direction` of its m-lines; `lines` more of the picture's; `setup`; `kinds` of its
 * m-lines; `codecs` instead of VP8 and H.264. */
export function makeOffer({ direction, lines = [], setup = 'actpass', kinds = ['audio', 'video'],
  codecs = VIDEO, types = '96 97 102 103', ufrag = 'EsAw', tail = '' }) {
  const section = (kind, mid) => [
    kind === 'audio' ? 'm=audio 9 UDP/TLS/RTP/SAVPF 111' : `m=video 9 UDP/TLS/RTP/SAVPF ${types}`,
    'c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0.0.0.0', `a=ice-ufrag:${ufrag}`,
    'a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y', 'a=ice-options:trickle ice2',
    `a=fingerprint:sha-256 ${FINGERPRINT}`, `a=setup:${setup}`, `a=mid:${mid}`,
    'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid', `a=${direction}`,
    ...(direction.startsWith('send') ? [`a=msid:stream ${kind}${mid}`] : []),
    'a=rtcp-mux', 'a=rtcp-mux-only', 'a=rtcp-rsize',
    ...(kind === 'audio' ? ['a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1']
      : [...codecs, ...lines]),
  ];
  return ['v=0', 'o=- 5228595038118931041 2 IN IP4 127.0.0.1', 's=-', 't=0 0',
    `a=group:BUNDLE ${kinds.map((_, i) => i).join(' ')}`, 'a=extmap-allow-mixed',
    'a=msid-semantic: WMS', ...kinds.flatMap((kind, i) => section(kind, i)), tail].join('\r\n');
}

/** The m-sections of a description: their lines. */
export function sections(sdp) {
  return sdp.split(/^(?=m=)/m).slice(1).map((text) => text.trim().split('\r\n'));
}

export function session(sdp) {
  return sdp.split(/^m=/m)[0].trim().split('\r\n');
}

/** The value of the one line that begins so; undefined if there is none. */
export function value(lines, name) {
  return lines.find((line) => line.startsWith(name))?.slice(name.length);
}

export function links(answer) {
  return answer.all.link ?? [];
}

export function isProblem(answer, status) {
  assert.equal(answer.status, status, answer.body);
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  const problem = JSON.parse(answer.body);
  assert.equal(problem.status, status);
  assert.ok(problem.detail.length > 10); /* RFC 9457, for a person */
}

export const fragment = (ufrag, lines = []) => ['a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', `a=ice-ufrag:${ufrag}`,
  'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1', ...lines, ''].join('\r\n');

export const CANDIDATE = 'a=candidate:1387637174 1 udp 2122260223 127.0.0.1 61764 typ host';
