/* What the cells of the matrix say: rows of a Markdown table, and which goals were met. Pure. */

export const NEVER = Infinity;

export const fixed = (value, digits = 0) =>
  value === NEVER ? 'never' : Number.isFinite(value) ? value.toFixed(digits) : '-';

export const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
};

/** Of stretches {gapsMs, ms} that were watched: how often, how long and how long at most. */
export function freezesOf(stretches) {
  const gaps = stretches.flatMap(({ gapsMs }) => gapsMs);
  const ms = stretches.reduce((sum, s) => sum + s.ms, 0);
  return { count: gaps.length, perMinute: (gaps.length * 60000) / ms,
    mean: gaps.length ? mean(gaps) : 0, longest: Math.max(0, ...gaps) };
}

const COLUMNS = [
  ['loss', (c) => `${c.loss} %`],
  ['RTT ms', (c) => c.rtt],
  ['with', (c) => c.name],
  ['first frame ms', (c) => fixed(c.firstFrameMs)],
  ['freezes/min', (c) => fixed(c.freezes.perMinute, 1)],
  ['mean ms', (c) => fixed(c.freezes.mean)],
  ['longest ms', (c) => fixed(c.freezes.longest)],
  ['back ms', (c) => fixed(c.backMs)],
  ['fps', (c) => fixed(c.fps, 1)],
  ['PSNR dB', (c) => fixed(c.psnr, 1)],
  ['added latency ms', (c) => fixed(c.addedMs)],
  ['lost', (c) => c.lost],
  ['RTX and probing', (c) => c.repaired],
  ['reload', (c) => (c.reloaded ? 'yes' : 'no')],
  ['neighbour: fps', (c) => fixed(c.near.fps, 1)],
  ['freezes/min', (c) => fixed(c.near.freezes.perMinute, 1)],
  ['longest ms', (c) => fixed(c.near.freezes.longest)],
  ['PSNR dB', (c) => fixed(c.near.psnr, 1)],
  ['latency ms', (c) => fixed(c.near.latencyMs)],
  ['lost, NACK, PLI', (c) => `${c.near.lost}, ${c.near.nacks}, ${c.near.plis}`],
];

const LOAD_COLUMNS = [
  ['loss', (c) => `${c.loss} %`],
  ['RTT ms', (c) => c.rtt],
  ['with', (c) => c.name],
  ['first frame ms p50', (c) => fixed(c.firstFrameMs)],
  ['p95', (c) => fixed(c.firstFrameP95Ms)],
  ['fps', (c) => fixed(c.fps, 1)],
  ['freezes/min', (c) => fixed(c.freezes.perMinute, 2)],
  ['longest ms', (c) => fixed(c.freezes.longest)],
  ['broken frames', (c) => c.broken],
  ['lost', (c) => c.lost],
  ['repaired', (c) => c.repaired],
  ['lost for good', (c) => c.lostForGood],
  ['NACKs', (c) => c.nacks],
  ['PLIs', (c) => c.plis],
  ['kbit/s each', (c) => fixed(c.kbps)],
  ['neighbours: fps', (c) => fixed(c.near.fps, 1)],
  ['freezes', (c) => c.near.freezes.count],
  ['lost, NACK, PLI', (c) => `${c.near.lost}, ${c.near.nacks}, ${c.near.plis}`],
];

const line = (cells) => `| ${cells.join(' | ')} |`;

/** Cells as a table; one that failed says why. */
export function table(cells, load = false) {
  const columns = load ? LOAD_COLUMNS : COLUMNS;
  const rows = cells.map((c) => line(c.error
    ? [`${c.loss} %`, c.rtt, c.name, `failed: ${c.error}`, ...columns.slice(4).map(() => '')]
    : columns.map(([, value]) => value(c))));
  return [line(columns.map(([head]) => head)), line(columns.map(() => '---')), ...rows].join('\n');
}

const where = (c) => `${c.loss} %/${c.rtt} ms/${c.name}`;

/** A goal over the cells it is about; nothing is said of one that has none. */
function goal(text, cells, isMet, figure) {
  if (cells.length === 0) {
    return [];
  }
  const missed = cells.filter((c) => c.error || !isMet(c));
  const list = missed.map((c) => `${where(c)}: ${c.error ? 'failed' : figure(c)}`).join('; ');
  return [missed.length === 0 ? `- met in all ${cells.length}: ${text}`
    : `- **missed in ${missed.length} of ${cells.length}**: ${text} (${list})`];
}

const at = (cells, loss, rtt) =>
  cells.filter((c) => c.loss === loss && c.rtt === rtt && c.name === 'none');
const perMinute = (c) => `${fixed(c.freezes.perMinute, 1)} a minute, longest ${fixed(c.freezes.longest)} ms`;

/** Quality and freezes may sway by as much as this without anything to blame. */
const SWAY = { dB: 1, fps: 1, perMinute: 1, latencyMs: 15 };

/** Goals of the Chromium matrix; `alone` is the neighbour's figures before any cell. */
export function goals(cells, alone) {
  const moved = cells.filter((c) => c.name === 'blackout' || c.name === 'rebind');
  const ran = cells.filter((c) => !c.error);
  const near = ran.map((c) => c.near);
  const lines = [
    ...goal('no freeze at 2 % and 50 ms', at(cells, 2, 50), (c) => c.freezes.count === 0, perMinute),
    ...goal('under one freeze a minute at 5 % and 50 ms', at(cells, 5, 50),
      (c) => c.freezes.perMinute < 1, perMinute),
    ...goal('back within 1 s of a blackout or change of address, on the same connection', moved,
      (c) => c.backMs <= 1000 && !c.reloaded,
      (c) => `${fixed(c.backMs)} ms${c.reloaded ? ', new connection' : ''}`),
    ...goal('the neighbour loses nothing and asks for nothing', ran,
      ({ near: n }) => n.lost + n.nacks + n.plis === 0, ({ near: n }) => `${n.lost}, ${n.nacks}, ${n.plis}`),
    ...goal('the neighbour has its fps, freezes and quality as before the first cell', ran,
      ({ near: n }) => n.fps > alone.fps - SWAY.fps && n.psnr > alone.psnr - SWAY.dB &&
        n.freezes.perMinute <= alone.freezes.perMinute + SWAY.perMinute,
      ({ near: n }) => `${fixed(n.fps, 1)} fps, ${fixed(n.psnr, 1)} dB, ${fixed(n.freezes.perMinute, 1)}/min`),
  ];
  if (near.length === 0) {
    return lines;
  }
  const of = (n) => `${fixed(n.fps, 1)} fps, ${fixed(n.freezes.perMinute, 1)} freezes/min, ` +
    `${fixed(n.psnr, 1)} dB, ${fixed(n.latencyMs)} ms`;
  const all = { fps: mean(near.map((n) => n.fps)), psnr: mean(near.map((n) => n.psnr)),
    latencyMs: mean(near.map((n) => n.latencyMs)),
    freezes: { perMinute: mean(near.map((n) => n.freezes.perMinute)) } };
  return [...lines, `- neighbour before the first cell: ${of(alone)}; mean of all cells: ${of(all)}`];
}

/** Goals of the matrix of amphi-load's viewers. */
export function loadGoals(cells) {
  const clean = cells.filter((c) => c.name === 'none' && c.loss <= 5 && c.rtt <= 50);
  return [
    ...goal('99 % of what was lost is repaired, up to 5 % and 50 ms', clean,
      (c) => c.lostForGood <= c.lost / 100, (c) => `not ${c.lostForGood} of ${c.lost}`),
    ...goal('under one freeze a minute and viewer at 2 % and 50 ms', at(cells, 2, 50),
      (c) => c.freezes.perMinute < 1, perMinute),
    ...goal('the neighbours lose nothing, ask for nothing and see no freeze', cells.filter((c) => !c.error),
      ({ near: n }) => n.lost + n.nacks + n.plis + n.freezes.count === 0,
      ({ near: n }) => `${n.lost}, ${n.nacks}, ${n.plis}, ${n.freezes.count} freezes`),
  ];
}
