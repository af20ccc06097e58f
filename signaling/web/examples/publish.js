import { createRoom, publish } from '../amphi.js';

document.querySelector('button').onclick = async () => {
  const media = await navigator.mediaDevices.getDisplayMedia();
  const origin = location.hash.slice(1) || location.origin;
  const { room, secret } = await createRoom(origin);
  const [track] = media.getVideoTracks();
  await publish(`${origin}/${room}`, { secret, sources: [{ track, name: 'Screen' }] });
  document.querySelector('output').textContent = `${origin}/${room}`;
};
