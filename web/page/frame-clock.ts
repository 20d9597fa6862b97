/** Waits for frames of a video; those that come while nobody waits count as one. */

export class FrameClock {
  private fresh = false;
  private wake: (() => void) | null = null;
  private ended = false;

  constructor(private readonly video: HTMLVideoElement) {
    this.listen();
  }

  /** Whether there is another frame, once there is; false after `end`. */
  async next(): Promise<boolean> {
    if (!this.fresh && !this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
    this.fresh = false;
    return !this.ended;
  }

  end(): void {
    this.ended = true;
    this.wake?.();
  }

  private listen(): void {
    if (this.ended) return;
    const arrived = (): void => {
      this.fresh = true;
      this.wake?.();
      this.listen();
    };
    // Firefox has it since 2024; before, frames are as many as the screen shows.
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(arrived);
    else requestAnimationFrame(arrived);
  }
}
