/** Records what the stage shows, with the microphone's sound if there is one. */

import { closeStream } from "./camera";
import { PageError } from "./problems";

/** The first that a browser writes is taken; MP4 plays almost everywhere. */
const FORMATS = [
  ["video/mp4;codecs=avc1.42E01F,mp4a.40.2", "mp4"],
  ["video/mp4", "mp4"],
  ["video/webm;codecs=vp9,opus", "webm"],
  ["video/webm", "webm"],
] as const;
/** Milliseconds after which a part is handed over, so that a crash of the encoder costs little. */
const PART_MS = 1000;

export interface Recording {
  readonly video: Blob;
  readonly extension: string;
}

export class Recorder {
  private readonly parts: Blob[] = [];
  private readonly recorder: MediaRecorder;
  private readonly stopped: Promise<void>;
  private readonly extension: string;

  /** Starts to record; throws PageError where the browser cannot. */
  constructor(
    canvas: HTMLCanvasElement,
    private readonly sound: MediaStream | null,
  ) {
    const format = FORMATS.find(([type]) => globalThis.MediaRecorder?.isTypeSupported(type));
    if (format === undefined) throw new PageError("This browser cannot record videos.");
    const [mimeType, extension] = format;
    this.extension = extension;
    const stream = canvas.captureStream();
    for (const track of sound?.getAudioTracks() ?? []) stream.addTrack(track);
    this.recorder = new MediaRecorder(stream, { mimeType });
    this.recorder.addEventListener("dataavailable", ({ data }) => this.parts.push(data));
    this.stopped = new Promise((resolve, reject) => {
      this.recorder.addEventListener("stop", () => resolve());
      this.recorder.addEventListener("error", (event) =>
        reject(new PageError(`The recording failed: ${String((event as ErrorEvent).error)}`)),
      );
    });
    this.recorder.start(PART_MS);
  }

  /** Ends the recording. */
  async stop(): Promise<Recording> {
    if (this.recorder.state !== "inactive") this.recorder.stop();
    try {
      await this.stopped;
    } finally {
      closeStream(this.sound);
    }
    const type = this.recorder.mimeType.split(";")[0];
    return { video: new Blob(this.parts, { type }), extension: this.extension };
  }
}
