/* Strip: one live thumbnail per stream, when a room has more than one. Event `pick` (detail: trackId). */

export function streamLabel(stream, index) {
  return stream.windowName || stream.appName || `Stream ${index + 1}`;
}

export class Strip extends EventTarget {
  #element;
  #tiles = new Map(); // trackId -> {button, video, label}

  constructor(element) {
    super();
    this.#element = element;
  }

  /* `streams` as in streams-info; `tracks` maps a trackId to its MediaStreamTrack. */
  update(streams, tracks, selected) {
    const many = streams.length > 1;
    this.#element.hidden = !many;
    const wanted = many ? streams : [];
    for (const [id, tile] of this.#tiles) {
      if (!wanted.some((stream) => stream.trackId === id)) {
        tile.button.remove();
        this.#tiles.delete(id);
      }
    }
    wanted.forEach((stream, index) => {
      const tile = this.#tiles.get(stream.trackId) ?? this.#add(stream.trackId);
      const name = streamLabel(stream, index);
      tile.label.textContent = name;
      tile.button.setAttribute('aria-label', `Watch ${name}${stream.isFocused ? ', the presenter’s focus' : ''}`);
      tile.button.setAttribute('aria-pressed', String(stream.trackId === selected));
      tile.button.classList.toggle('focused', stream.isFocused);
      tile.button.classList.toggle('paused', stream.paused);
      this.#attach(tile.video, tracks.get(stream.trackId));
    });
  }

  #attach(video, track) {
    if (track && video.srcObject?.getVideoTracks()[0] !== track) {
      video.srcObject = new MediaStream([track]);
      video.play().catch(() => {}); // a thumbnail that may not play yet is only a still thumbnail
    }
  }

  #add(trackId) {
    const button = document.createElement('button');
    const video = document.createElement('video');
    const label = document.createElement('span');
    button.type = 'button';
    button.className = 'tile';
    video.muted = video.playsInline = video.autoplay = true;
    video.disablePictureInPicture = true;
    video.tabIndex = -1;
    button.append(video, label);
    button.addEventListener('click', () => this.dispatchEvent(new CustomEvent('pick', { detail: trackId })));
    this.#element.append(button);
    const tile = { button, video, label };
    this.#tiles.set(trackId, tile);
    return tile;
  }
}
