/* Not run: what programs may write, for the compiler to agree or not (see package.test.js). */

import { AmphiClient, createRoom, publish, readLink, watch, type Broadcast, type Publisher, type Stream } from 'amphi-client';

const broadcast: Broadcast = await watch('https://example.org/SWIFT-OTTER-042', { password: 'open sesame' });
broadcast.addEventListener('stream', ({ detail }) => {
  const video = document.createElement('video');
  video.srcObject = detail.media;
  broadcast.select([{ trackId: detail.trackId, layer: 'auto' }, { trackId: 'video1', paused: true }]);
});
broadcast.addEventListener('failed', ({ detail }) => console.warn(detail.code));
const names: string[] = broadcast.streams.map((stream: Stream) => stream.windowName);

const { room, secret } = await createRoom('https://example.org', { password: names[0] });
const media = await navigator.mediaDevices.getDisplayMedia();
const publisher: Publisher = await publish(`https://example.org/${room}`, {
  secret, sources: [{ track: media.getVideoTracks()[0]!, name: 'Screen' }], settings: { codec: 'vp9', bitrate: 3e6 },
});
publisher.addEventListener('audience', ({ detail }) => console.log(detail.good, detail.worst.length));
publisher.configure({ simulcast: true });

const client = new AmphiClient();
client.addEventListener('state', ({ detail }) => detail.state === 'waiting' && detail.reason?.code);
client.connect(readLink('https://example.org/SWIFT-OTTER-042').socket ?? '', 'SWIFT-OTTER-042', { role: 'viewer' });

// @ts-expect-error there is no such codec
publisher.configure({ codec: 'theora' });
// @ts-expect-error nobody publishes without the secret
void publish('https://example.org/SWIFT-OTTER-042', {});
// @ts-expect-error there is no such event
broadcast.addEventListener('picture', () => {});
// @ts-expect-error layers are three
broadcast.select([{ trackId: 'video0', layer: 3 }]);
