/* Monitor: what the figures of each second say of the picture, to the person, the player and the server.
 *
 * It keeps the picture at the live edge, takes a smaller one where this device decodes too slowly, fills
 * the statistics panel, and sends `viewer-stats`. Event: `change`, when `trouble` has changed. */

import { verdict } from './doctor.js';
import { $, press, toast, write } from './dom.js';
import { FrameClock, LiveEdge } from './live.js';
import { StatsPanel, figures, rows, sample } from './stats.js';
import { storyOf } from './story.js';

const STORY_EVERY = 2; // ticks between two questions for it, while the statistics are open
const REPORT_EVERY = 5; // ticks between two viewer-stats messages
const SUFFERS_AFTER = 5; // ticks in which the same thing limits the picture, before it is told unasked

export class Monitor extends EventTarget {
  #client;
  #session;
  #player;
  #watching;
  #edge = new LiveEdge();
  #clock = new FrameClock();
  #panel = new StatsPanel($('#stats-list'));
  #sample = null;
  #figures = null;
  #verdict = null;
  #suffers = 0; // ticks of a verdict that is bad
  #ticks = 0;

  constructor({ client, session, player, watching }) {
    super();
    this.#client = client;
    this.#session = session;
    this.#player = player;
    this.#watching = watching;
    this.trouble = ''; // what has limited the picture for a while, and what to do
    session.addEventListener('report', ({ detail }) => this.#take(detail));
    player.addEventListener('shown', () => this.#clock.watch(player.video));
    client.addEventListener('message', ({ detail }) => detail.type === 'viewer-story' && this.#showStory(detail.decisions));
  }

  /* Once a second. */
  tick() {
    this.#ticks += 1;
    if (this.#ticks % REPORT_EVERY === 0) {
      this.#tellServer();
    }
    if (this.#ticks % STORY_EVERY === 0) {
      this.#askStory();
    }
  }

  get open() {
    return !$('#stats').hidden;
  }

  show(open) {
    $('#stats').hidden = !open;
    press('stats', open);
    this.#refresh();
    this.#askStory();
  }

  goLive() {
    this.#skip(this.#edge.skip(performance.now()));
  }

  /* The current figures of the stream in front, or null. */
  async stats() {
    const peer = this.#session.current;
    const now = peer && this.#sampleOf(peer, await peer.pc.getStats());
    return now ? { ...this.#figures, ...now, firstFrameMs: this.#player.firstFrameMs } : null;
  }

  #sampleOf(peer, report) {
    const track = peer.tracks.get(this.#player.shown?.trackId)?.track;
    return track ? sample(report, track.id) : null;
  }

  #take({ peer, report }) {
    const now = this.#sampleOf(peer, report);
    if (!now) {
      return;
    }
    this.#figures = figures(this.#sample, now);
    this.#sample = now;
    if (!this.#player.paused) {
      this.#keepLive(peer);
      this.#judge();
    }
    this.#refresh();
  }

  #keepLive(peer) {
    const before = this.#edge.targetMs;
    this.#skip(this.#edge.step(this.#figures, performance.now()));
    $('#live').classList.toggle('behind', this.#edge.behind);
    const { targetMs } = this.#edge;
    if (before !== targetMs) {
      peer.setTarget(targetMs);
    }
    Object.assign(this.#figures, { targetMs, screenMs: this.#clock.screenMs, glassMs: this.#clock.glassMs });
  }

  #skip(how) {
    if (how === 'refresh') {
      this.#player.refresh();
    } else if (how === 'rejoin') {
      this.#client.rejoin();
    }
  }

  /* What limits the picture. */
  #judge() {
    const { stream } = this.#watching;
    const quality = this.#watching.qualityOf(stream?.trackId);
    this.#verdict = verdict(this.#figures, { stream, quality });
    const bad = this.#verdict?.level === 'bad' && !document.hidden;
    this.#suffers = bad ? this.#suffers + 1 : 0;
    if (bad && this.#suffers % SUFFERS_AFTER === 0 && this.#verdict.cause === 'decoder' && quality === 'auto') {
      this.#takeSmaller(stream);
    }
    const trouble = this.#suffers >= SUFFERS_AFTER ? this.#verdict.text : '';
    if (trouble !== this.trouble) {
      this.trouble = trouble;
      this.dispatchEvent(new CustomEvent('change'));
    }
  }

  /* A device that decodes too slowly gets a smaller picture, where there is one. */
  #takeSmaller(stream) {
    const at = stream?.layerSizes.findIndex(({ width }) => width <= this.#figures.width) ?? -1;
    if (at >= 0 && at + 1 < stream.layerSizes.length) {
      toast('A smaller picture: this device decodes too slowly');
      this.#watching.setFloor(stream.trackId, at + 1);
    }
  }

  #refresh() {
    if (this.open && this.#figures) {
      this.#panel.update(rows(this.#figures, this.#player.firstFrameMs));
      write($('#verdict'), this.#player.paused ? 'Paused: nothing is sent.' : this.#verdict?.text ?? '');
      $('#verdict').className = this.#verdict?.level ?? '';
    }
  }

  #askStory() {
    if (this.open && this.#client.state === 'joined' && this.#client.protocol >= 1) {
      this.#client.send({ type: 'viewer-story' });
    }
  }

  /* What the server did for this viewer, and when, counted from the start of its media. */
  #showStory(decisions) {
    const tracks = [...(this.#session.current?.tracks.keys() ?? [])];
    const streamOf = (track) => this.#client.streams.find((s) => s.trackId === tracks[track]) ?? null;
    const items = storyOf(decisions, streamOf).map(({ at, text, times }) => {
      const item = document.createElement('li');
      item.textContent = `${at}  ${text}${times > 1 ? ` (${times} times)` : ''}`;
      return item;
    });
    $('#story').replaceChildren(...items);
  }

  /* The player's side of the story, for the presenter's and the operator's eyes. What it does not know it
   * leaves out. */
  #tellServer() {
    const f = this.#figures;
    if (this.#client.state !== 'joined' || this.#client.protocol < 1 || !f) {
      return;
    }
    const message = {
      type: 'viewer-stats',
      peerId: this.#session.current?.peerId ?? this.#client.peerId,
      framesDecoded: f.framesDecoded,
      framesDropped: f.framesDropped,
      freezes: f.freezes,
      jitterBufferMs: f.jitterBufferMs,
      rttMs: f.rttMs,
    };
    const { glassMs } = this.#clock;
    this.#client.send(glassMs === null ? message : { ...message, glassToGlassMs: glassMs });
  }
}
