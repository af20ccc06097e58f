/* Story: what the server decided for this viewer, and why, in words. Pure.
 *
 * Its decisions come by the message `viewer-story`: [{at_ms, why, target_bps, queue_ms, track, mode, layer,
 * temporal}], the oldest first; the last four only of those that are about one picture. */

const SHOWN = 8;

const speed = (bps) => (bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`);

const MODES = {
  audio: 'sound alone, since the network takes no picture now',
  slides: 'single pictures, one every few seconds',
};

function received({ mode, layer, temporal }, stream) {
  const size = stream?.layerSizes?.[layer];
  const which = size ? `${size.width} × ${size.height}` : layer > 0 ? `the smaller picture ${layer}` : 'the best picture';
  if (mode !== 'full') {
    return MODES[mode] ?? which;
  }
  return temporal === null || temporal === undefined ? which : `${which}, with fewer pictures a second`;
}

const WORDS = {
  layer: (d, stream) => `From now on ${received(d, stream)}: ${speed(d.target_bps)} fit through.`,
  narrow: (d) => `The network has become narrow: ${speed(d.target_bps)} fit through${d.queue_ms > 0 ? `, and packets wait ${d.queue_ms} ms` : ''}.`,
  wide: () => 'The network takes all there is again.',
  away: () => 'Nothing was heard from this device.',
  back: () => 'It was heard again.',
  lossy: () => 'Packets are lost: pictures are held for a moment, so that what is missing can come again.',
  clean: () => 'Hardly anything is lost any more: pictures are shown at once.',
  'sound-twice': () => 'Packets are lost: every packet of sound brings the one before it, too.',
  'sound-once': () => 'Hardly any sound is lost any more: each packet comes once.',
  'keyframe-jump': () => 'It had fallen behind, and skipped ahead to the newest whole picture.',
  'keyframe-cached': () => 'A whole picture was needed, and was at hand.',
  'keyframe-asked': () => 'A whole picture was needed, and the presenter was asked for one.',
};

const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`;

/* [{at: minutes and seconds after the start, text, times}], the newest first; what is repeated is told once.
 * `streamOf(track)` is the announced stream of a track, or null. */
export function storyOf(decisions, streamOf = () => null) {
  const list = [];
  for (const d of Array.isArray(decisions) ? decisions : []) {
    const stream = Number.isInteger(d?.track) ? streamOf(d.track) : null;
    const words = WORDS[d?.why]?.(d, stream);
    const text = words && stream?.windowName ? `${stream.windowName}: ${words}` : words;
    const last = list.at(-1);
    if (text && last?.text === text) {
      last.times += 1;
      last.at = clock(d.at_ms);
    } else if (text) {
      list.push({ at: clock(d.at_ms), text, times: 1 });
    }
  }
  return list.slice(-SHOWN).reverse();
}
