/** Decides when the detector searches a frame; between searches, faces are tracked. */

/** Frames from one search to the next: right after an event, and at most. */
export const [MIN_INTERVAL, MAX_INTERVAL] = [2, 30];
/** There is a search in every second of a video's own clock, counted from its 0. */
export const MAX_SECONDS = 1;
/** Frames at most while no face is tracked. */
export const MAX_INTERVAL_EMPTY = 3;

/**
 * Schedules searches: the first frame, the frame after a lost face, and then after an interval that
 * doubles with each search without an event.
 */
export class DetectionSchedule {
  private interval = MIN_INTERVAL;
  private frames = 0;
  private event = false;
  private lastSearch: number | null = null;

  /** Records that a face was lost or detected: the next searches follow soon. */
  reportEvent(): void {
    this.event = true;
  }

  /** Whether to search the next frame, in which this many faces are tracked. */
  isDue(seconds: number, faces: number): boolean {
    this.frames++;
    if (this.lastSearch === null || this.event) return true;
    const limit = faces === 0 ? Math.min(this.interval, MAX_INTERVAL_EMPTY) : this.interval;
    const second = Math.floor(seconds / MAX_SECONDS);
    return this.frames >= limit || second > Math.floor(this.lastSearch / MAX_SECONDS);
  }

  /** Records a search, after the events that it caused. */
  reportSearch(seconds: number): void {
    const soon = this.event || this.lastSearch === null;
    this.interval = soon ? MIN_INTERVAL : Math.min(2 * this.interval, MAX_INTERVAL);
    [this.frames, this.event, this.lastSearch] = [0, false, seconds];
  }
}
