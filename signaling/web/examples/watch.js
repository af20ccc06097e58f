import { watch } from '../amphi.js';

const videos = new Map();
const broadcast = await watch(location.hash.slice(1));
broadcast.addEventListener('stream', ({ detail: { trackId, media } }) => {
  const video = videos.get(trackId) ?? document.createElement('video');
  videos.set(trackId, video);
  Object.assign(video, { srcObject: media, autoplay: true, muted: true, playsInline: true });
  document.body.append(video);
});
broadcast.addEventListener('gone', ({ detail }) => videos.get(detail.trackId).remove());
