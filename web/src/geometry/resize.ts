/** Changes of a picture's size, with OpenCV's arithmetic: the networks see what they see in Python. */

import { clip, emptyPixels, roundHalfEven, type Pixels } from "./arrays";

/** A picture averaged down to a size, like OpenCV's INTER_AREA. */
export function average(image: Pixels, width: number, height: number): Pixels {
  const [across, down] = [image.width / width, image.height / height];
  if (across === 1 && down === 1) return image;
  if (Number.isInteger(across) && Number.isInteger(down)) {
    return averageBlocks(image, width, height, across, down);
  }
  return averageAreas(image, width, height);
}

function averageBlocks(
  image: Pixels,
  width: number,
  height: number,
  across: number,
  down: number,
): Pixels {
  const { data, channels } = image;
  const small = emptyPixels(width, height, channels);
  const stride = image.width * channels;
  const count = across * down;
  // OpenCV adds two and shifts in blocks of 2 × 2, and rounds halves to even in others.
  const rounded = across === 2 && down === 2 ? Math.round : roundHalfEven;
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let v = 0; v < down; v++) {
          let from = (y * down + v) * stride + x * across * channels + c;
          for (let u = 0; u < across; u++, from += channels) sum += data[from];
        }
        small.data[at++] = rounded(sum / count);
      }
    }
  }
  return small;
}

/** The pixels of one axis that a pixel of the smaller picture covers, and their shares. */
interface Cover {
  readonly first: number;
  readonly shares: readonly number[];
}

function covers(from: number, to: number): Cover[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, index) => {
    const [start, end] = [index * scale, (index + 1) * scale];
    const width = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const whole = Math.min(Math.ceil(start), last);
    const shares = Array<number>(last - whole).fill(1 / width);
    const before = whole - start > 1e-3;
    if (before) shares.unshift((whole - start) / width);
    if (end - last > 1e-3) shares.push(Math.min(end - last, 1, width) / width);
    return { first: before ? whole - 1 : whole, shares };
  });
}

function averageAreas(image: Pixels, width: number, height: number): Pixels {
  const { data, channels } = image;
  const small = emptyPixels(width, height, channels);
  const columns = covers(image.width, width);
  let at = 0;
  for (const row of covers(image.height, height)) {
    for (const column of columns) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        row.shares.forEach((down, v) => {
          let from = ((row.first + v) * image.width + column.first) * channels + c;
          for (const across of column.shares) {
            sum += down * across * data[from];
            from += channels;
          }
        });
        small.data[at++] = clip(roundHalfEven(sum), 0, 255);
      }
    }
  }
  return small;
}

/** The two pixels of one axis between which a pixel of the new picture lies; weights in 1/2048. */
interface Between {
  readonly first: number;
  readonly second: number;
  readonly weights: readonly [number, number];
}

function between(from: number, to: number): Between[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, index) => {
    const at = Math.fround((index + 0.5) * scale - 0.5);
    const floor = Math.floor(at);
    const first = clip(floor, 0, from - 1);
    const rest = floor === first && first < from - 1 ? Math.fround(at - floor) : 0;
    const weights = [roundHalfEven((1 - rest) * 2048), roundHalfEven(rest * 2048)] as const;
    return { first, second: Math.min(first + 1, from - 1), weights };
  });
}

/** A picture interpolated at a size, like OpenCV's INTER_LINEAR. */
export function interpolate(image: Pixels, width: number, height: number): Pixels {
  if (image.width === width && image.height === height) return image;
  const { data, channels } = image;
  const result = emptyPixels(width, height, channels);
  const columns = between(image.width, width);
  const stride = image.width * channels;
  let at = 0;
  for (const { first, second, weights } of between(image.height, height)) {
    const [above, below] = weights;
    const [upper, lower] = [first * stride, second * stride];
    for (const column of columns) {
      const [left, right] = column.weights;
      const [one, two] = [column.first * channels, column.second * channels];
      for (let c = 0; c < channels; c++) {
        const top = data[upper + one + c] * left + data[upper + two + c] * right;
        const bottom = data[lower + one + c] * left + data[lower + two + c] * right;
        const sum = ((above * (top >> 4)) >> 16) + ((below * (bottom >> 4)) >> 16);
        result.data[at++] = (sum + 2) >> 2;
      }
    }
  }
  return result;
}
