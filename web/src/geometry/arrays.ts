/** Pixels of pictures, and conversions between RGBA, BGR and gray. */

import { InvalidImageError } from "../errors";

/**
 * A picture, row by row: gray (1 channel), BGR as networks take it (3), or RGBA as canvases give
 * it (4), colours not multiplied by alpha.
 */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/** Returns a picture; throws InvalidImageError for anything else. */
export function checkImage(image: Pixels): Pixels {
  const { data, width, height, channels } = image;
  if (!(width > 0 && height > 0) || data.length !== width * height * channels) {
    const got = `${data.length} bytes for ${width} × ${height} × ${channels}`;
    throw new InvalidImageError("a picture", `has width × height × channels bytes; got ${got}`);
  }
  return image;
}

/** A new picture of zeros. */
export function emptyPixels(width: number, height: number, channels: Pixels["channels"]): Pixels {
  return { data: new Uint8Array(width * height * channels), width, height, channels };
}

/** The luma of 8 bit colours, with OpenCV's weights in 15 bits. */
export function luma(blue: number, green: number, red: number): number {
  return (blue * 3735 + green * 19235 + red * 9798 + 16384) >> 15;
}

/** A part of a picture from (left, top) up to (right, bottom), as gray or BGR. */
export function cut(
  image: Pixels,
  [left, top, right, bottom]: readonly number[],
  channels: 1 | 3,
): Pixels {
  const part = emptyPixels(right - left, bottom - top, channels);
  const step = image.channels;
  const [blue, red] = step === 4 ? [2, 0] : [0, 2];
  let at = 0;
  for (let y = top; y < bottom; y++) {
    let from = (y * image.width + left) * step;
    for (let x = left; x < right; x++, from += step) {
      if (step === 1) {
        for (let c = 0; c < channels; c++) part.data[at++] = image.data[from];
      } else if (channels === 1) {
        const { data } = image;
        part.data[at++] = luma(data[from + blue], data[from + 1], data[from + red]);
      } else {
        part.data[at++] = image.data[from + blue];
        part.data[at++] = image.data[from + 1];
        part.data[at++] = image.data[from + red];
      }
    }
  }
  return part;
}

/** The whole picture as BGR. */
export function bgrImage(image: Pixels): Pixels {
  return image.channels === 3 ? image : cut(image, [0, 0, image.width, image.height], 3);
}

/** Rounds halves to the even number, as Python and OpenCV do. */
export function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

export function clip(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
