/* Capture: screens, cameras and microphones as the presenter page wants them, and one sound of many. */

const NAMES = { monitor: 'Screen', window: 'Window', browser: 'Tab' };

/* {track, sounds, name, hint}: a screen, window or tab, with its sound where browser and person agree. */
export async function captureScreen(fps) {
  const media = await navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: { ideal: fps, max: fps } },
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    systemAudio: 'include',
    surfaceSwitching: 'include',
    selfBrowserSurface: 'exclude',
  });
  const [track] = media.getVideoTracks();
  const surface = track.getSettings().displaySurface;
  // Tabs and some windows are told by their title; ids are no names.
  const label = /:|^$/.test(track.label) ? '' : track.label;
  return { track, sounds: media.getAudioTracks(), name: label || NAMES[surface] || 'Screen', hint: 'detail' };
}

/* The chosen device, or if that is gone another one. (`ideal` would mean just that, and is not heard by all.) */
async function captureDevice(kind, constraints, deviceId) {
  const ask = (more) => navigator.mediaDevices.getUserMedia({ [kind]: { ...constraints, ...more } });
  try {
    return await ask(deviceId && { deviceId: { exact: deviceId } });
  } catch (error) {
    if (deviceId && ['OverconstrainedError', 'NotFoundError'].includes(error.name)) {
      return ask({});
    }
    throw error;
  }
}

export async function captureCamera(fps, deviceId = '') {
  const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: fps } };
  const media = await captureDevice('video', size, deviceId);
  return { track: media.getVideoTracks()[0], sounds: [], name: 'Camera', hint: 'motion' };
}

export async function captureMicrophone(deviceId = '') {
  const media = await captureDevice('audio', { echoCancellation: true }, deviceId);
  return media.getAudioTracks()[0];
}

/* The devices that can be told apart: browsers name them only once one was allowed. */
export async function devicesOf(kind) {
  const all = await navigator.mediaDevices.enumerateDevices();
  return all.filter((device) => device.kind === kind && device.deviceId && device.label);
}

/* One track of several: a single one as it is, more of them added together. */
export class Mixer {
  #context = null;
  #output = null;
  #inputs = new Map(); // track -> node

  constructor() {
    this.tracks = new Set();
  }

  add(track) {
    this.tracks.add(track);
    return this.output();
  }

  remove(track) {
    track.stop();
    this.tracks.delete(track);
    this.#inputs.get(track)?.disconnect();
    this.#inputs.delete(track);
    return this.output();
  }

  output() {
    if (this.tracks.size < 2) {
      return [...this.tracks][0] ?? null;
    }
    this.#context ??= new AudioContext({ latencyHint: 'interactive' });
    this.#output ??= this.#context.createMediaStreamDestination();
    for (const track of this.tracks) {
      if (!this.#inputs.has(track)) {
        const input = this.#context.createMediaStreamSource(new MediaStream([track]));
        input.connect(this.#output);
        this.#inputs.set(track, input);
      }
    }
    this.#context.resume();
    return this.#output.stream.getAudioTracks()[0];
  }
}
