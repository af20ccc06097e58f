/* How good the pictures are that a page shows: once a second the one on the screen against what the
 * test pattern (capture/capture_pattern.c) drew, which is a function of the frame number in its
 * panel. The barcode and the panel, which also show the clock, are left out. */

/** In the page, of window.watched: fills window.quality = {psnr: [dB], unread}. */
function measure({ width, height, everyMs }) {
  const PAGE_ROWS = 480, LINE_ROWS = 20, MARGIN = 8, ADVANCE = 12, SCROLL = 2;
  const PANEL_WIDTH = 384, PANEL_TOP = 32, TOP = 112, BOX = { width: 96, height: 64, frame: 4 };
  const NUMBER = { x: 8, y: PANEL_TOP + 2 * MARGIN + 28, dot: 4, advance: 24, digits: 10 };
  const FONT = ['0e11131519110e', '040c040404040e', '0e11010204081f', '1f02040201110e',
    '02060a121f0202', '1f101e0101110e', '0608101e11110e', '1f010204080808', '0e11110e11110e',
    '0e11110f01020c'];
  const luma = (r, g, b) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const lumaOf = (rgb) => luma(rgb >> 16, (rgb >> 8) & 255, rgb & 255);

  const page = new Float32Array(width * PAGE_ROWS).fill(lumaOf(0xf4f2ec));
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 16;
  };
  const fill = (x, y, w, h, value) => {
    for (let row = y; row < y + h; row++) {
      page.fill(value, row * width + x, row * width + x + w);
    }
  };
  for (let y = 2; y < PAGE_ROWS; y += LINE_ROWS) {
    const ink = lumaOf([0x202020, 0x1c3d7a, 0x6b1f1f, 0x1f5a2c][random() % 4]);
    for (let x = MARGIN; x + ADVANCE <= width; x += ADVANCE) {
      if (random() % 6 === 0) {
        continue;
      }
      for (let i = 0; i < 35; i++) {
        if (random() % 5 < 2) {
          fill(x + (i % 5) * 2, y + Math.floor(i / 5) * 2, 2, 2, ink);
        }
      }
    }
  }

  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const g = canvas.getContext('2d', { willReadFrequently: true });
  const result = { psnr: [], unread: 0 };
  window.quality = result;

  const digitAt = (pixels, place) => {
    let text = '';
    for (let row = 0; row < 7; row++) {
      let bits = 0;
      for (let column = 0; column < 5; column++) {
        const x = NUMBER.x + (place + 1) * NUMBER.advance + column * NUMBER.dot + 2;
        const y = NUMBER.y + row * NUMBER.dot + 2;
        bits = (bits << 1) | (pixels[4 * (y * width + x) + 1] > 117 ? 1 : 0);
      }
      text += bits.toString(16).padStart(2, '0');
    }
    return FONT.indexOf(text);
  };
  const bounce = (n, step, range) => {
    const place = (n * step) % (2 * range);
    return place < range ? place : 2 * range - 1 - place;
  };
  const expected = (n) => {
    const left = bounce(n, 7, width - BOX.width + 1);
    const top = TOP + bounce(n, 3, height - TOP - BOX.height + 1);
    const red = lumaOf(0xd0342c);
    return (x, y) => {
      const right = x - left, down = y - top, edge = BOX.frame;
      if (right < 0 || down < 0 || right >= BOX.width || down >= BOX.height) {
        return page[((y + n * SCROLL) % PAGE_ROWS) * width + x];
      }
      const inside = right >= edge && down >= edge && right < BOX.width - edge &&
        down < BOX.height - edge;
      return inside ? red : 255;
    };
  };

  setInterval(() => {
    if (!(window.watched?.videoWidth > 0)) {
      return;
    }
    g.drawImage(window.watched, 0, 0, width, height);
    const pixels = g.getImageData(0, 0, width, height).data;
    let n = 0;
    for (let place = 0; place < NUMBER.digits; place++) {
      const digit = digitAt(pixels, place);
      if (digit < 0) {
        result.unread++;
        return;
      }
      n = n * 10 + digit;
    }
    const at = expected(n);
    let sum = 0, count = 0;
    for (let y = 0; y < height; y++) {
      for (let x = y < TOP ? PANEL_WIDTH : 0; x < width; x++) {
        const i = 4 * (y * width + x);
        sum += (luma(pixels[i], pixels[i + 1], pixels[i + 2]) - at(x, y)) ** 2;
        count++;
      }
    }
    result.psnr.push(10 * Math.log10(255 ** 2 / Math.max(sum / count, 0.01)));
  }, everyMs);
}

/** Begins to measure what `page` shows of a pattern of this size; after watch(). */
export const measureQuality = (page, width, height, everyMs = 1000) =>
  page.evaluate(measure, { width, height, everyMs });

export const readQuality = (page) => page.evaluate(() => window.quality);
