/** Changes of a picture's size, with OpenCV's arithmetic: networks see what they see in Python. */

import { clip, emptyPixels, roundHalfEven, type Pixels } from "./arrays";

/** A picture averaged down to a size, like OpenCV's INTER_AREA. */
export function average(image: Pixels, width: number, height: number): Pixels {
  const [across, down] = [image.width / width, image.height / height];
  if (across === 1 && down === 1) return image;
  if (across === 2 && down === 2) return halve(image);
  if (Number.isInteger(across) && Number.isInteger(down)) {
    return averageBlocks(image, width, height, across, down);
  }
  return averageAreas(image, width, height);
}

/** A picture averaged in blocks of 2 × 2, without an odd last row or column. */
export function halve(image: Pixels): Pixels {
  const { data, channels } = image;
  const small = emptyPixels(image.width >> 1, image.height >> 1, channels);
  const stride = image.width * channels;
  let at = 0;
  for (let y = 0; y < small.height; y++) {
    let from = 2 * y * stride;
    for (let x = 0; x < small.width; x++, from += channels) {
      for (const end = from + channels; from < end; from++) {
        const right = from + channels;
        const sum = data[from] + data[right] + data[from + stride] + data[right + stride];
        small.data[at++] = (sum + 2) >> 2; // where OpenCV rounds halves up, unlike in other blocks
      }
    }
  }
  return small;
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
  const count = across * down;
  const sums = new Uint32Array(width * channels);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let v = 0; v < down; v++) {
      let from = (y * down + v) * image.width * channels;
      for (let to = 0; to < sums.length; to += channels) {
        for (let u = 0; u < across; u++) {
          for (let c = 0; c < channels; c++) sums[to + c] += data[from++];
        }
      }
    }
    const at = y * sums.length;
    for (let i = 0; i < sums.length; i++) {
      small.data[at + i] = roundHalfEven(sums[i] / count);
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

/** Pairs of pixels of one axis between which the new pixels lie, and their weights in 1/2048. */
interface Between {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly near: Int32Array;
  readonly far: Int32Array;
}

function between(from: number, to: number): Between {
  const [first, second, near, far] = Array.from({ length: 4 }, () => new Int32Array(to));
  for (let index = 0; index < to; index++) {
    const at = Math.fround(((index + 0.5) * from) / to - 0.5);
    const floor = Math.floor(at);
    first[index] = clip(floor, 0, from - 1);
    second[index] = Math.min(first[index] + 1, from - 1);
    const rest = floor === first[index] && floor < from - 1 ? Math.fround(at - floor) : 0;
    near[index] = roundHalfEven((1 - rest) * 2048);
    far[index] = roundHalfEven(rest * 2048);
  }
  return { first, second, near, far };
}

/** A picture interpolated at a size, like OpenCV's INTER_LINEAR. */
export function interpolate(image: Pixels, width: number, height: number): Pixels {
  if (image.width === width && image.height === height) return image;
  const { data, channels } = image;
  const result = emptyPixels(width, height, channels);
  const [columns, rows] = [between(image.width, width), between(image.height, height)];
  const stride = image.width * channels;
  let at = 0;
  for (let y = 0; y < height; y++) {
    const [upper, lower] = [rows.first[y] * stride, rows.second[y] * stride];
    const [above, below] = [rows.near[y], rows.far[y]];
    for (let x = 0; x < width; x++) {
      const one = columns.first[x] * channels;
      const two = columns.second[x] * channels;
      const near = columns.near[x];
      const far = columns.far[x];
      for (let c = 0; c < channels; c++) {
        const top = data[upper + one + c] * near + data[upper + two + c] * far;
        const bottom = data[lower + one + c] * near + data[lower + two + c] * far;
        const sum = ((above * (top >> 4)) >> 16) + ((below * (bottom >> 4)) >> 16);
        result.data[at++] = (sum + 2) >> 2;
      }
    }
  }
  return result;
}
