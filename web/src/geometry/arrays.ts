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
  [left, top, right, bottom]: readonly [number, number, number, number],
  channels: 1 | 3,
): Pixels {
  const part = emptyPixels(right - left, bottom - top, channels);
  const copyRow = ROW_COPIES[image.channels][channels];
  for (let y = top; y < bottom; y++) {
    const from = (y * image.width + left) * image.channels;
    copyRow(image.data, from, part.data, (y - top) * part.width * channels, part.width);
  }
  return part;
}

type Bytes = Pixels["data"];
type RowCopy = (from: Bytes, start: number, to: Bytes, at: number, count: number) => void;

function copyAs(channels: number): RowCopy {
  return (from, start, to, at, count) => {
    to.set(from.subarray(start, start + channels * count), at);
  };
}

function toGray(step: number, blue: number, red: number): RowCopy {
  return (from, start, to, at, count) => {
    for (const end = at + count; at < end; at++, start += step) {
      to[at] = luma(from[start + blue], from[start + 1], from[start + red]);
    }
  };
}

function toBgr(step: number, blue: number, green: number, red: number): RowCopy {
  return (from, start, to, at, count) => {
    for (const end = at + 3 * count; at < end; at += 3, start += step) {
      to[at] = from[start + blue];
      to[at + 1] = from[start + green];
      to[at + 2] = from[start + red];
    }
  };
}

/** How a row of a picture is copied, by its channels and those that are asked for. */
const ROW_COPIES: Readonly<Record<Pixels["channels"], Readonly<Record<1 | 3, RowCopy>>>> = {
  1: { 1: copyAs(1), 3: toBgr(1, 0, 0, 0) },
  3: { 1: toGray(3, 0, 2), 3: copyAs(3) },
  4: { 1: toGray(4, 2, 0), 3: toBgr(4, 2, 1, 0) },
};

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
