/* Player: the picture. It never shows black between two streams.
 *
 * show(peer, trackId) puts the stream into a second <video> beneath the visible one; when that has
 * painted its first frame it comes to the front and the old one leaves. So a reconnect or a change of
 * stream keeps the last frame until there is a newer one. Events: `shown` (detail {peer, trackId, at})
 * with the moment of the first painted frame in ms since navigation, `blocked` (the browser wants a
 * tap), `resize` (the picture's size). */

const LINGER = 120; // ms the old video stays beneath, until the compositor has surely drawn the new one

export class Player extends EventTarget {
  #stage;
  #front = null; // {peer, trackId, video, stream}
  #back = null;

  constructor(stage) {
    super();
    this.#stage = stage;
    this.muted = true;
    this.volume = 1;
    this.scale = 'fit';
    window.addEventListener('resize', () => this.#layout(this.#front));
  }

  get video() {
    return this.#front?.video ?? null;
  }

  get shown() {
    return this.#front && { peer: this.#front.peer, trackId: this.#front.trackId };
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

  setScale(scale) {
    this.scale = scale;
    this.#stage.dataset.scale = scale;
    this.#layout(this.#front);
    this.#stage.scrollTo({
      left: (this.#stage.scrollWidth - this.#stage.clientWidth) / 2,
      top: (this.#stage.scrollHeight - this.#stage.clientHeight) / 2,
    });
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
    video.setAttribute('aria-label', 'The broadcast');
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
    video.addEventListener('resize', () => this.#layout(view));
    video.play().then(
      () => this.#block(false),
      (error) => error.name === 'NotAllowedError' && this.#block(true),
    );
  }

  #block(blocked) {
    this.dispatchEvent(new CustomEvent('blocked', { detail: blocked }));
  }

  #promote(view) {
    if (view !== this.#back) {
      return;
    }
    const at = performance.now();
    const old = this.#front;
    this.#front = view;
    this.#back = null;
    view.video.classList.add('front');
    old?.video.classList.toggle('front', old.video === view.video);
    this.#layout(view);
    if (old && old.video !== view.video) {
      if (document.pictureInPictureElement === old.video) {
        view.video.requestPictureInPicture().catch(() => {}); // then it closes with the old element
      }
      setTimeout(() => this.#drop(old), LINGER);
    }
    this.dispatchEvent(new CustomEvent('shown', { detail: { peer: view.peer, trackId: view.trackId, at } }));
  }

  #drop(view) {
    if (view && view.video !== this.#front?.video) {
      view.video.remove();
      view.video.srcObject = null;
    }
  }

  /* Native means one pixel of the picture on one pixel of the screen. */
  #layout(view) {
    const video = view?.video;
    if (!video?.videoWidth) {
      return;
    }
    const ratio = window.devicePixelRatio || 1;
    video.style.setProperty('--native-width', `${video.videoWidth / ratio}px`);
    video.style.setProperty('--native-height', `${video.videoHeight / ratio}px`);
    if (view === this.#front) {
      this.dispatchEvent(new CustomEvent('resize'));
    }
  }
}
