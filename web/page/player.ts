/** Plays a camera or a video: frame → faces → stage, as fast as the networks are. */

import type { Face, LoadedPipeline, Smoothing, VideoTracker } from "../src";
import { FrameClock } from "./frame-clock";
import { PageError } from "./problems";
import type { Frame, Stage } from "./stage";

/** Seconds over which frames are counted. */
const WINDOW = 1;

export interface Rates {
  readonly fps: number;
  /** Milliseconds of a frame: of the networks, in their thread and back, and of drawing. */
  readonly networks: number;
  readonly drawing: number;
}

interface Listener {
  /** Called for each frame, once it is shown. */
  shown(frame: Frame, faces: readonly Face[], rates: Rates): void;
  failed(error: unknown): void;
}

export class Player {
  smoothing: Smoothing = "medium";
  mirrored = false;
  private readonly video = Object.assign(document.createElement("video"), {
    muted: true,
    playsInline: true,
    loop: true,
  });
  private readonly buffer = document.createElement("canvas");
  private clock: FrameClock | null = null;
  private address: string | null = null;

  constructor(
    private readonly stage: Stage,
    private readonly listener: Listener,
  ) {}

  get playing(): boolean {
    return this.clock !== null;
  }

  get paused(): boolean {
    return this.video.paused;
  }

  /** Plays until `stop`; throws PageError for a video that the browser cannot play. */
  async play(source: MediaStream | File, name: string, pipeline: LoadedPipeline): Promise<void> {
    this.stop();
    if (source instanceof MediaStream) this.video.srcObject = source;
    else this.video.src = this.address = URL.createObjectURL(source);
    const clock = (this.clock = new FrameClock(this.video));
    try {
      await this.video.play();
    } catch (error) {
      if (this.clock !== clock) return; // stopped meanwhile
      this.stop();
      throw new PageError(`This browser cannot play ${name}. (${String(error)})`);
    }
    this.follow(clock, name, pipeline);
  }

  /** Follows faces with other networks from the next frame on. */
  use(pipeline: LoadedPipeline, name: string): void {
    if (this.clock === null) return;
    this.clock.end();
    this.follow((this.clock = new FrameClock(this.video)), name, pipeline);
  }

  async togglePause(): Promise<void> {
    if (this.video.paused) await this.video.play();
    else this.video.pause();
  }

  stop(): void {
    this.clock?.end();
    this.clock = null;
    this.video.pause();
    this.video.srcObject = null;
    if (this.address !== null) {
      this.video.removeAttribute("src");
      this.video.load();
      URL.revokeObjectURL(this.address);
      this.address = null;
    }
  }

  private follow(clock: FrameClock, name: string, pipeline: LoadedPipeline): void {
    this.run(clock, name, pipeline).catch((error: unknown) => {
      if (this.clock !== clock) return; // stopped, or with other networks, meanwhile
      this.stop();
      this.listener.failed(error);
    });
  }

  private async run(clock: FrameClock, source: string, pipeline: LoadedPipeline): Promise<void> {
    let tracker: VideoTracker | null = null;
    let smoothing: Smoothing | null = null;
    const ends: number[] = [];
    for (let number = 0; await clock.next(); number++) {
      if (tracker === null || smoothing !== this.smoothing) {
        await tracker?.close();
        tracker = await pipeline.tracker({ smoothing: (smoothing = this.smoothing) });
      }
      const seconds = this.video.currentTime;
      const frame = { picture: this.grab(), source, number, seconds };
      const start = performance.now();
      const faces = await tracker(frame.picture, seconds);
      if (this.clock !== clock) break;
      const tracked = performance.now();
      this.stage.show(frame, faces, pipeline.card.scheme);
      const end = performance.now();
      ends.push(end);
      while (end - ends[0] > 1000 * WINDOW) ends.shift();
      const fps = ends.length < 2 ? 0 : (1000 * (ends.length - 1)) / (end - ends[0]);
      this.listener.shown(frame, faces, { fps, networks: tracked - start, drawing: end - tracked });
    }
    await tracker?.close();
  }

  /** The video's frame as it is shown. */
  private grab(): HTMLCanvasElement {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (this.buffer.width !== width || this.buffer.height !== height) {
      [this.buffer.width, this.buffer.height] = [width, height];
    }
    const context = this.buffer.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
    if (this.mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
    else context.resetTransform();
    context.drawImage(this.video, 0, 0, width, height);
    return this.buffer;
  }
}
