/** A picture with transparency, ready to be drawn at any size. */

import { clip, emptyPixels, roundHalfEven, type Pixels } from "../geometry/arrays";
import { average } from "../geometry/resize";

/** Shorter side of the smallest level, in pixels. */
const MIN_SIDE = 8;

/**
 * A picture at a size, RGBA, colours times alpha. Its pixels lie in the whole picture at
 * x · across + left and y · down + top.
 */
export interface Level {
  readonly pixels: Pixels;
  readonly across: number;
  readonly left: number;
  readonly down: number;
  readonly top: number;
}

/** A picture RGBA whose colours are not multiplied by alpha. */
export class Texture {
  private cache: Level[] | null = null;

  constructor(
    private readonly picture: Pixels,
    private readonly opacity: number,
  ) {}

  /** The visible part of the picture times alpha, at sizes halved each time. */
  get levels(): readonly Level[] {
    this.cache ??= this.createLevels();
    return this.cache;
  }

  /** The smallest level that is not enlarged when the picture is drawn at this scale. */
  levelAt(scale: number): Level {
    const number = Math.floor(-Math.log2(Math.max(scale, 1e-6)));
    return this.levels[clip(number, 0, this.levels.length - 1)];
  }

  private createLevels(): Level[] {
    const [left, top, full] = this.visible();
    const levels: Level[] = [{ pixels: full, across: 1, left, down: 1, top }];
    let smallest = full;
    for (let factor = 2; Math.min(smallest.width, smallest.height) >= 2 * MIN_SIDE; factor *= 2) {
      const width = Math.max(1, roundHalfEven(full.width / factor));
      const height = Math.max(1, roundHalfEven(full.height / factor));
      smallest = average(full, width, height);
      const [across, down] = [full.width / width, full.height / height];
      levels.push({
        pixels: smallest,
        across,
        left: left + (across - 1) / 2,
        down,
        top: top + (down - 1) / 2,
      });
    }
    return levels;
  }

  /** Where the part of the picture that is not transparent begins, and the part, times alpha. */
  private visible(): [left: number, top: number, part: Pixels] {
    const { data, width, height } = this.picture;
    let [left, top, right, bottom] = [width, height, -1, -1];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (data[4 * (y * width + x) + 3] === 0) continue;
        [left, right] = [Math.min(left, x), Math.max(right, x)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      }
    }
    if (right < 0) [left, top, right, bottom] = [0, 0, 0, 0];
    const part = emptyPixels(right - left + 1, bottom - top + 1, 4);
    let at = 0;
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const from = 4 * (y * width + x);
        const alpha = Math.fround(data[from + 3] * Math.fround(this.opacity));
        const share = Math.fround(alpha / 255);
        for (let c = 0; c < 3; c++) {
          part.data[at++] = roundHalfEven(Math.fround(data[from + c] * share));
        }
        part.data[at++] = roundHalfEven(alpha);
      }
    }
    return [left, top, part];
  }
}
