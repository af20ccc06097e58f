/* The picture as it is, in its own pixels, as a file. */

import { toast } from './dom.js';

export function snapshot({ video, size }, room) {
  if (!size) {
    return;
  }
  const canvas = document.createElement('canvas');
  Object.assign(canvas, size);
  canvas.getContext('2d').drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    const link = document.createElement('a');
    const at = new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-');
    link.href = URL.createObjectURL(blob);
    link.download = `${room}-${at}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    toast(`Snapshot saved: ${size.width} × ${size.height}`);
  }, 'image/png');
}
