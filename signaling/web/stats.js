/* The figures of the watched stream: from RTCStatsReports to numbers to a panel.
 *
 * sample() reads the cumulative counters of one report, figures() turns two samples into rates over
 * the time between them, rows() words them; what they mean is told by doctor.js. All three are pure; StatsPanel is the only one that knows
 * the page. What a browser does not report, or measured on a way that is gone, is null and shown as a
 * dash, never as a zero. */

const known = (value) => (Number.isFinite(value) ? value : null);

function inboundVideo(report, trackIdentifier) {
  for (const entry of report.values()) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'video' && entry.trackIdentifier === trackIdentifier) {
      return entry;
    }
  }
  return null;
}

const GONE = new Set(['disconnected', 'failed', 'closed']);

function selectedPair(report, inbound) {
  const transport = report.get(inbound.transportId);
  if (GONE.has(transport?.dtlsState) || GONE.has(transport?.iceState)) {
    return null;
  }
  if (transport?.selectedCandidatePairId) {
    return report.get(transport.selectedCandidatePairId) ?? null;
  }
  for (const entry of report.values()) {
    if (entry.type === 'candidate-pair' && (entry.selected || (entry.nominated && entry.state === 'succeeded'))) {
      return entry;
    }
  }
  return null;
}

/* The counters of one track, or null while nothing has arrived for it. */
export function sample(report, trackIdentifier) {
  const inbound = inboundVideo(report, trackIdentifier);
  if (!inbound) {
    return null;
  }
  const pair = selectedPair(report, inbound);
  const local = pair && report.get(pair.localCandidateId);
  const remote = pair && report.get(pair.remoteCandidateId);
  const relayed = local?.candidateType === 'relay' || remote?.candidateType === 'relay';
  const codec = report.get(inbound.codecId);
  return {
    track: trackIdentifier,
    ssrc: inbound.ssrc,
    at: inbound.timestamp,
    width: known(inbound.frameWidth),
    height: known(inbound.frameHeight),
    codec: codec?.mimeType?.replace(/^video\//, '') ?? null,
    bytes: known(inbound.bytesReceived),
    received: known(inbound.packetsReceived),
    lost: known(inbound.packetsLost),
    framesReceived: known(inbound.framesReceived),
    framesDecoded: known(inbound.framesDecoded),
    framesDropped: known(inbound.framesDropped),
    keyFrames: known(inbound.keyFramesDecoded),
    decodeTime: known(inbound.totalDecodeTime),
    resent: known(inbound.retransmittedPacketsReceived),
    bufferDelay: known(inbound.jitterBufferDelay),
    bufferCount: known(inbound.jitterBufferEmittedCount),
    jitterMs: known(inbound.jitter * 1000),
    rttMs: known(pair?.currentRoundTripTime * 1000),
    nacks: known(inbound.nackCount),
    plis: known(inbound.pliCount),
    freezes: known(inbound.freezeCount),
    freezeMs: known(inbound.totalFreezesDuration * 1000),
    path: pair ? (relayed ? 'Relay' : 'Direct') : null,
    transport: local?.protocol?.toUpperCase() ?? null,
  };
}

/* What changed between two samples; rates are null without a comparable earlier one. */
export function figures(before, now) {
  const seconds = before && before.track === now.track && before.ssrc === now.ssrc
    ? (now.at - before.at) / 1000
    : 0;
  const delta = (name) => {
    const whole = seconds > 0 && now[name] !== null && before[name] !== null;
    return whole ? now[name] - before[name] : null;
  };
  const per = (name, factor) => {
    const change = delta(name);
    return change === null ? null : (change * factor) / seconds;
  };
  const lost = delta('lost');
  const received = delta('received');
  const expected = lost === null || received === null ? null : lost + received;
  const emitted = delta('bufferCount');
  const decoded = delta('framesDecoded');
  return {
    ...now,
    fps: per('framesDecoded', 1),
    bitrateBps: per('bytes', 8),
    jitterMs: received === 0 ? null : now.jitterMs,
    // Late and repaired packets are taken back from packetsLost, so the change may be below zero.
    lossPercent: expected > 0 ? Math.max(0, (100 * lost) / expected) : null,
    jitterBufferMs: emitted > 0 ? (1000 * delta('bufferDelay')) / emitted : null,
    receivedFps: per('framesReceived', 1),
    droppedPerS: per('framesDropped', 1),
    decodeMs: decoded > 0 && delta('decodeTime') !== null ? (1000 * delta('decodeTime')) / decoded : null,
  };
}

const fixed = (value, digits, unit) => (value === null ? '–' : `${value.toFixed(digits)}${unit}`);
const count = (value) => (value === null ? '–' : value.toLocaleString('en'));
const grade = (value, warn, bad) => (value === null || value < warn ? '' : value < bad ? 'warn' : 'bad');

function bitrate(bps) {
  if (bps === null) {
    return '–';
  }
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(2)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

/* [{name, label, value, grade}] in the order of the panel; grade is '', 'warn' or 'bad'. */
export function rows(f, firstFrameMs = null) {
  const row = (name, label, value, mark = '') => ({ name, label, value, grade: mark });
  const size = f.width && f.height ? `${f.width} × ${f.height}` : '–';
  const path = f.path ? [f.path, f.transport].filter(Boolean).join(' · ') : '–';
  const total = f.lost === null ? '' : ` (${count(Math.max(0, f.lost))} in all)`;
  const waits = f.targetMs > 0 ? ` (waits ${f.targetMs} ms for resends)` : '';
  const frozen = f.freezes > 0 && f.freezeMs !== null ? ` (${fixed(f.freezeMs / 1000, 1, ' s')})` : '';
  return [
    row('resolution', 'Resolution', size),
    row('fps', 'Frame rate', fixed(f.fps, 1, ' fps')),
    row('codec', 'Codec', f.codec ?? '–'),
    row('bitrate', 'Bitrate', bitrate(f.bitrateBps)),
    row('rtt', 'Round trip', fixed(f.rttMs, 1, ' ms'), grade(f.rttMs, 100, 200)),
    row('jitter', 'Jitter', fixed(f.jitterMs, 1, ' ms'), grade(f.jitterMs, 30, 100)),
    row('buffer', 'Jitter buffer', fixed(f.jitterBufferMs, 1, ' ms') + waits, grade(f.jitterBufferMs, 150, 500)),
    row('screen', 'Arrival to screen', fixed(f.screenMs ?? null, 0, ' ms'), grade(f.screenMs ?? null, 200, 600)),
    // Only where the browser knows when a frame was captured; nothing is guessed.
    row('glass', 'Capture to screen', fixed(f.glassMs ?? null, 0, ' ms')),
    row('decode', 'Decoding', fixed(f.decodeMs, 1, ' ms a frame'), grade(f.decodeMs, 25, 50)),
    row('loss', 'Packets lost', fixed(f.lossPercent, 2, ' %') + total, grade(f.lossPercent, 1, 5)),
    row('nack', 'NACK / PLI sent', `${count(f.nacks)} / ${count(f.plis)}`),
    // What the browser calls freezes: gaps between frames, which a screen where nothing moves has too.
    row('freezes', 'Pauses', count(f.freezes) + frozen),
    row('frames', 'Frames decoded', count(f.framesDecoded)),
    row('dropped', 'Frames dropped', count(f.framesDropped)),
    row('first', 'First frame', fixed(firstFrameMs, 0, ' ms')),
    row('connection', 'Connection', path),
  ];
}

export class StatsPanel {
  #list;
  #cells = new Map();

  constructor(list) {
    this.#list = list;
  }

  update(table) {
    for (const { name, label, value, grade: mark } of table) {
      let cell = this.#cells.get(name);
      if (!cell) {
        cell = this.#add(name, label);
        this.#cells.set(name, cell);
      }
      if (cell.textContent !== value) {
        cell.textContent = value;
      }
      cell.className = mark;
    }
  }

  #add(name, label) {
    const term = document.createElement('dt');
    const cell = document.createElement('dd');
    term.textContent = label;
    cell.dataset.stat = name;
    this.#list.append(term, cell);
    return cell;
  }
}
