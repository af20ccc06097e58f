/* Player: one picture, the watched one or a thumbnail. It never shows black between two streams.
 *
 * show(peer, trackId) puts the stream into a second <video> beneath the visible one; when that has
 * painted its first frame it comes to the front and the old one leaves. So a reconnect or a change of
 * stream keeps the last frame until there is a newer one. Events: `shown` (detail {peer, trackId}),
 * `blocked` (the browser wants a tap), `resize` (the picture's size, which `size` says). */

const LINGER = 120; // ms the old video stays beneath, until the compositor has surely drawn the new one

export class Player extends EventTarget {
  #stage;
  #thumbnail;
  #front = null; // {peer, trackId, video, stream}
  #back = null;

  constructor(stage, { thumbnail = false } = {}) {
    super();
    this.#stage = stage;
    this.#thumbnail = thumbnail;
    this.muted = true;
    this.volume = 1;
    this.paused = false;
    this.firstFrameMs = null; // navigation start to the first painted frame
  }

  get video() {
    return this.#front?.video ?? null;
  }

  get shown() {
    return this.#front && { peer: this.#front.peer, trackId: this.#front.trackId };
  }

  /* Of the picture in front, in its own pixels; null before there is one. */
  get size() {
    const video = this.video;
    return video?.videoWidth ? { width: video.videoWidth, height: video.videoHeight } : null;
  }

  /* What is in front and what is being prepared. */
  get watched() {
    return [this.#front, this.#back].filter(Boolean).map(({ trackId }) => trackId);
  }

  /* `sound`: whether the stream has any. */
  show(peer, trackId, { sound = true } = {}) {
    const view = [this.#back, this.#front].find((v) => v?.peer === peer && v.trackId === trackId);
    if (view === this.#front && this.#back?.peer === peer) {
      this.#drop(this.#back); // back to what is still in front
      this.#back = null;
    }
    if (view) {
      this.#fill(view, sound);
      return;
    }
    this.#drop(this.#back);
    this.#back = this.#create(peer, trackId, sound);
    this.#start(this.#back);
  }

  setMuted(muted) {
    this.muted = muted;
    for (const view of [this.#front, this.#back]) {
      if (view) {
        view.video.muted = muted;
      }
    }
  }

  /* 0-1. Browsers that leave the volume to the device's keys ignore it. */
  setVolume(volume) {
    this.volume = volume;
    for (const view of [this.#front, this.#back]) {
      if (view) {
        view.video.volume = volume;
      }
    }
  }

  /* Holds the picture, and its sound, until it is told to go on: then at the live edge. */
  setPaused(paused) {
    this.paused = paused;
    if (paused) {
      this.#front?.video.pause();
    } else {
      this.#front?.video.play().catch(() => {}); // a browser that wants a tap has just had one
    }
  }

  /* Plays the same stream in a new element: what the old one had not shown yet is left out. */
  refresh() {
    if (this.#front && !this.#back) {
      const { peer, trackId, stream } = this.#front;
      this.#back = this.#create(peer, trackId, stream.getAudioTracks().length > 0);
      this.#start(this.#back);
    }
  }

  /* After a tap, when the browser asked for one. */
  async resume() {
    const views = [this.#front, this.#back].filter(Boolean);
    await Promise.allSettled(views.map((view) => view.video.play()));
  }

  #create(peer, trackId, sound) {
    // iPhones play fullscreen in a player of their own, which shows one element only: reuse that one.
    const own = this.#front?.video.webkitDisplayingFullscreen ? this.#front.video : null;
    const video = own ?? document.createElement('video');
    video.muted = this.muted;
    video.volume = this.volume;
    video.autoplay = video.playsInline = true;
    if (this.#thumbnail) {
      video.tabIndex = -1;
      video.disablePictureInPicture = true;
      video.setAttribute('aria-hidden', 'true');
    } else {
      video.setAttribute('aria-label', 'The broadcast');
    }
    const view = { peer, trackId, video, stream: new MediaStream() };
    this.#fill(view, sound);
    video.srcObject = view.stream;
    if (!own) {
      this.#stage.prepend(video);
    }
    return view;
  }

  /* Adds what has arrived since: audio may come a moment after the video. */
  #fill({ peer, trackId, stream }, sound) {
    const entries = [peer.tracks.get(trackId), sound && peer.soundOf(trackId)].filter(Boolean);
    for (const { track } of entries) {
      if (!stream.getTracks().includes(track)) {
        stream.addTrack(track);
      }
    }
  }

  #start(view) {
    const { video } = view;
    const callback = Boolean(video.requestVideoFrameCallback);
    // A track that ends without a picture paints one black frame in Chromium: that is no first frame.
    const good = () => view.peer.state === 'connected' && this.#promote(view);
    const painted = () => {
      good();
      if (view === this.#back) {
        video.requestVideoFrameCallback(painted);
      }
    };
    if (callback) {
      video.requestVideoFrameCallback(painted);
    }
    for (const name of ['loadeddata', 'timeupdate']) {
      // A hidden page paints nothing; there a decoded frame has to do.
      video.addEventListener(name, () => (document.hidden || !callback) && good());
    }
    video.addEventListener('resize', () => view === this.#front && this.#tell('resize'));
    video.play().then(
      () => this.#tell('blocked', false),
      (error) => error.name === 'NotAllowedError' && this.#tell('blocked', true),
    );
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #promote(view) {
    if (view !== this.#back) {
      return;
    }
    this.firstFrameMs ??= Math.round(performance.now());
    const old = this.#front;
    this.#front = view;
    this.#back = null;
    view.video.classList.add('front');
    old?.video.classList.toggle('front', old.video === view.video);
    this.#tell('resize');
    if (this.paused) {
      view.video.pause();
    }
    if (old && old.video !== view.video) {
      if (document.pictureInPictureElement === old.video) {
        view.video.requestPictureInPicture().catch(() => {}); // then it closes with the old element
      }
      setTimeout(() => this.#drop(old), LINGER);
    }
    this.#tell('shown', { peer: view.peer, trackId: view.trackId });
  }

  /* Forgets everything; the element of the stage may leave. */
  close() {
    const views = [this.#front, this.#back];
    this.#front = this.#back = null;
    views.forEach((view) => this.#drop(view));
  }

  #drop(view) {
    if (view && view.video !== this.#front?.video) {
      view.video.remove();
      view.video.srcObject = null;
    }
  }
}
