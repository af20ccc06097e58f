/* One cell of the matrix: a viewer in Chromium, or a crowd of amphi-load's, behind a relay for so many
 * seconds, and what it and its neighbour on a direct path saw meanwhile. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT, TOKEN, start } from '../e2e/lib.mjs';
import { measureQuality, readQuality } from './quality.mjs';
import { Relay } from './relay.mjs';
import { freezesOf, mean, median, NEVER } from './report.mjs';
import { backAfter, openPage, seen, watch } from './watch.mjs';

const RATE = 1e6;
const BLACKOUT_MS = 3000;
const BACK_WITHIN_MS = 20000, FIRST_WITHIN_MS = 30000;
const BREATH_MS = 1000; /* after the first picture, before anything counts */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* What happens to a viewer in the middle of its cell; resolves to when it is over. */
export const IMPAIRMENTS = {
  none: null,
  '1mbit': null, // from the beginning
  blackout: async (relay) => {
    relay.blackout(BLACKOUT_MS);
    await sleep(BLACKOUT_MS);
    return Date.now();
  },
  rebind: async (relay) => {
    await relay.rebind();
    return Date.now();
  },
};

const openRelay = (port, { loss, rtt, name, seed }, apart = false) => {
  const settings = { loss: loss / 100, delay: rtt / 2 };
  return Relay.start(port,
    { seed, apart, up: settings, down: { ...settings, rate: name === '1mbit' ? RATE : 0 } });
};

/* --- Chromium --- */

/** Everything a page has seen until now; two of these are a stretch. */
export async function look(page) {
  const [code, quality, delaysMs] = [await seen(page), await readQuality(page),
    await page.evaluate(() => window.barcode.delaysMs)];
  return { ...code, psnr: quality.psnr, delaysMs, at: Date.now() };
}

const stretch = (from, to) =>
  ({ gapsMs: to.gapsMs.slice(from.gapsMs.length), ms: to.at - from.at });

/** What happened from one look to another, or in several such stretches. */
export function between(...pairs) {
  const [first] = pairs[0], [, last] = pairs.at(-1);
  return {
    freezes: freezesOf(pairs.map(([from, to]) => stretch(from, to))),
    fps: ((last.presented - first.presented) * 1000) / (last.at - first.at),
    psnr: mean(last.psnr.slice(first.psnr.length)),
    latencyMs: median(last.delaysMs.slice(first.delaysMs.length)),
    lost: last.lost - first.lost,
    repaired: last.repaired - first.repaired,
    nacks: last.nacks - first.nacks,
    plis: last.plis - first.plis,
  };
}

/** A page that is watched and whose pictures are compared with the pattern's. */
export async function openWatched(context, url, { width, height }, relay = null) {
  const page = await openPage(context, url, relay, { width, height });
  await watch(page, FIRST_WITHIN_MS);
  await measureQuality(page, width, height);
  await sleep(BREATH_MS);
  return page;
}

/** The pause that a blackout or change of address makes is told by backMs alone. */
async function impair(page, relay, name) {
  const before = await look(page);
  const over = await IMPAIRMENTS[name](relay);
  const backMs = await backAfter(page, over, BACK_WITHIN_MS).catch(() => NEVER);
  return { before, after: await look(page), backMs };
}

export async function chromiumCell({ amphi, context, port, near, size }, cell) {
  const relay = await openRelay(port, cell);
  let page = null;
  try {
    page = await openWatched(context, amphi.url, size, relay);
    const [from, besideFrom] = [await look(page), await look(near)];
    let hit = null;
    if (IMPAIRMENTS[cell.name]) {
      await sleep((cell.seconds * 1000) / 4);
      hit = await impair(page, relay, cell.name);
    }
    await sleep(Math.max(1000, from.at + cell.seconds * 1000 - Date.now()));
    const [to, besideTo] = [await look(page), await look(near)];
    const far = between(...(hit ? [[from, hit.before], [hit.after, to]] : [[from, to]]));
    const beside = between([besideFrom, besideTo]);
    return { ...cell, ...far, firstFrameMs: to.firstFrameMs, backMs: hit?.backMs,
      addedMs: far.latencyMs - beside.latencyMs, reloaded: !to.sameConnection, near: beside };
  } finally {
    await page?.close().catch(() => {});
    relay.close();
  }
}

/* --- amphi-load --- */

const LEAVE_MS = 30000;

/** A run of amphi-load: {exited, stop, figures}. */
function startLoad(amphi, { viewers, seconds, options = [] }) {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'amphi-load-'));
  const file = path.join(directory, 'figures.json');
  const run = start(path.join(ROOT, 'build/release/amphi-load'),
    [amphi.url, '--viewers', String(viewers), '--sample', String(viewers), '--ramp-seconds', '1',
      '--baseline', '0', '--duration', String(seconds), '--admin-token', TOKEN, '--json', file, ...options]);
  run.figures = async () => {
    try {
      const { code, signal } = await run.exited;
      if (code !== 0 && code !== 1) {
        throw new Error(`amphi-load ended with ${code ?? signal}: ${run.stderr.trim()}`);
      }
      return JSON.parse(readFileSync(file, 'utf8'));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  return run;
}

function crowdOf(figures, viewers) {
  const { steady, whole, steady_s: seconds } = figures;
  const freezes = steady.sample_freezes;
  return {
    failures: Object.entries(figures.failures).map(([why, n]) => `${n} x ${why}`).join(', '),
    firstFrameMs: figures.join_times.keyframe.p50_ms,
    firstFrameP95Ms: figures.join_times.keyframe.p95_ms,
    fps: steady.sample_frames / seconds / viewers,
    freezes: { count: freezes, perMinute: (freezes * 60) / seconds / viewers,
      longest: figures.sample_longest_freeze_ms },
    frames: steady.sample_frames, broken: steady.sample_broken, leftOut: steady.sample_left_out,
    lost: whole.lost, lostForGood: whole.lost_for_good, repaired: whole.repaired,
    nacks: steady.nacked, plis: steady.plis, kbps: (steady.bytes * 8) / 1000 / seconds / viewers,
  };
}

/** `viewers` behind links of their own, and as many neighbours as `beside`. */
export async function loadCell({ amphi, port }, cell) {
  const { viewers, beside, seconds } = cell;
  const relay = await openRelay(port, cell, true);
  const runs = [];
  const timer = setTimeout(() => runs.forEach((run) => run.stop('SIGKILL')),
    seconds * 1000 + FIRST_WITHIN_MS + LEAVE_MS);
  try {
    runs.push(startLoad(amphi, { viewers, seconds,
      options: ['--media-port', String(relay.port), '--join-timeout', String(FIRST_WITHIN_MS / 1000)] }));
    runs.push(startLoad(amphi, { viewers: beside, seconds }));
    if (IMPAIRMENTS[cell.name]) {
      await sleep(4000 + (seconds * 1000) / 4);
      await IMPAIRMENTS[cell.name](relay);
    }
    const [far, near] = await Promise.all(runs.map((run) => run.figures()));
    const crowd = crowdOf(far, viewers), besides = crowdOf(near, beside);
    const error = [crowd.failures, besides.failures].filter(Boolean).join('; neighbours ');
    return { ...cell, ...crowd, near: besides, ...(error && { error }) };
  } finally {
    clearTimeout(timer);
    await Promise.all(runs.map((run) => run.stop()));
    relay.close();
  }
}
