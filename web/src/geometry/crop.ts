/**
 * Crops: from a face's box to the network's input and back; the only preprocessing there is. The
 * rules are those of `fkd_infer/geometry/crop.py`.
 *
 * A crop is a square of `side` pixels of the picture around `centre`, sampled to size × size
 * pixels, so a point p lands on  size / side · (p - centre) + (size - 1) / 2.
 */

import type { Border } from "../choices";
import type { Box } from "../types";
import { clip, cut, roundHalfEven, type Pixels } from "./arrays";
import { derivedSquare } from "./boxes";
import { average } from "./resize";
import type { CropRule } from "./rules";
import { invert, similarity, type Matrix } from "./transforms";

const { fround } = Math;

/** The matrix from the picture to the crop, for the tight box of a face's points. */
export function cropMatrix(box: Box, rule: CropRule, size: number): Matrix {
  const { x, y, side } = derivedSquare(box, rule);
  return similarity(x, y, side, size);
}

/** Network inputs (n, size, size, channels) for the matrices of n crops. */
export function cropBatch(
  image: Pixels,
  matrices: readonly Matrix[],
  size: number,
  channels: 1 | 3,
  border: Border,
): Uint8Array {
  const length = size * size * channels;
  const batch = new Uint8Array(matrices.length * length);
  matrices.forEach((matrix, number) => {
    const pixels = batch.subarray(number * length, (number + 1) * length);
    fillCrop(pixels, image, matrix, size, channels, border);
  });
  return batch;
}

function fillCrop(
  pixels: Uint8Array,
  image: Pixels,
  matrix: Matrix,
  size: number,
  channels: 1 | 3,
  border: Border,
): void {
  const [a, b, x, c, d, y] = matrix;
  const factor = Math.max(1, Math.trunc(1 / Math.hypot(a, c)));
  const [left, top, right, bottom] = regionOf(image, matrix, size, factor);
  let region = cut(image, [left, top, right, bottom], channels);
  if (factor > 1) {
    // The crop would undersample the region, and its fine texture would alias.
    region = average(region, shorter(region.width, factor), shorter(region.height, factor));
  }
  // The size of the region's pixels in the picture, and how far that moves the first one's centre.
  const [width, height] = [(right - left) / region.width, (bottom - top) / region.height];
  const [moveX, moveY] = [(width - 1) / 2, (height - 1) / 2];
  const [startX, startY] = [a * left + b * top + x, c * left + d * top + y];
  const toCrop: Matrix = [
    a * width,
    b * height,
    a * moveX + b * moveY + startX,
    c * width,
    d * height,
    c * moveX + d * moveY + startY,
  ];
  warp(pixels, region, toCrop, size, border);
}

function shorter(length: number, factor: number): number {
  return Math.max(1, roundHalfEven(length / factor));
}

/** The part of the picture that the crop samples; where it has room, in multiples of `factor`. */
function regionOf(
  image: Pixels,
  matrix: Matrix,
  size: number,
  factor: number,
): [left: number, top: number, right: number, bottom: number] {
  const [a, b, x, c, d, y] = invert(matrix);
  const [middle, half] = [(size - 1) / 2, size / 2];
  const [centreX, centreY] = [(a + b) * middle + x, (c + d) * middle + y];
  const reachX = (Math.abs(a) + Math.abs(b)) * half;
  const reachY = (Math.abs(c) + Math.abs(d)) * half;
  const [left, right] = span(centreX - reachX, centreX + reachX, image.width, factor);
  const [top, bottom] = span(centreY - reachY, centreY + reachY, image.height, factor);
  return [left, top, right, bottom];
}

/** The pixels of an axis that interpolation from `first` to `last` needs: start, end. */
function span(first: number, last: number, limit: number, factor: number): [number, number] {
  // float32 rounds off the noise of edges that lie between two pixels.
  const start = clip(Math.floor(fround(first)) - 1, 0, limit - 1);
  let end = Math.min(Math.max(Math.ceil(fround(last)) + 2, start + 1), limit);
  const length = Math.ceil((end - start) / factor) * factor;
  end = Math.min(start + length, limit);
  return [Math.max(end - length, 0), end];
}

/** Fractions of a pixel at which OpenCV's warpAffine interpolates, and of those it computes in. */
const BITS = 5;
const ONE = 1 << BITS;
const FINE = 1024;

/** Writes a picture, interpolated through a matrix, into pixels (size, size, c), as OpenCV does. */
function warp(
  pixels: Uint8Array,
  image: Pixels,
  matrix: Matrix,
  size: number,
  border: Border,
): void {
  const [a, b, x, c, d, y] = invert(matrix);
  const { data, width, height, channels } = image;
  const [lastX, lastY] = [width - 1, height - 1];
  const rounding = FINE / ONE / 2;
  const isBlack = border === "black";
  let at = 0;
  for (let v = 0; v < size; v++) {
    const startX = roundHalfEven((b * v + x) * FINE) + rounding;
    const startY = roundHalfEven((d * v + y) * FINE) + rounding;
    for (let u = 0; u < size; u++) {
      const fineX = Math.floor((startX + roundHalfEven(a * u * FINE)) / (FINE / ONE));
      const fineY = Math.floor((startY + roundHalfEven(c * u * FINE)) / (FINE / ONE));
      const left = Math.floor(fineX / ONE);
      const top = Math.floor(fineY / ONE);
      // The weights of both columns and both rows; a black border has none.
      let toRight = fineX - left * ONE;
      let toBottom = fineY - top * ONE;
      let toLeft = ONE - toRight;
      let toTop = ONE - toBottom;
      if (isBlack) {
        if (left < 0 || left > lastX) toLeft = 0;
        if (left + 1 < 0 || left + 1 > lastX) toRight = 0;
        if (top < 0 || top > lastY) toTop = 0;
        if (top + 1 < 0 || top + 1 > lastY) toBottom = 0;
      }
      const x0 = clip(left, 0, lastX) * channels;
      const x1 = clip(left + 1, 0, lastX) * channels;
      const y0 = clip(top, 0, lastY) * width * channels;
      const y1 = clip(top + 1, 0, lastY) * width * channels;
      for (let channel = 0; channel < channels; channel++) {
        const upper = data[y0 + x0 + channel] * toLeft + data[y0 + x1 + channel] * toRight;
        const lower = data[y1 + x0 + channel] * toLeft + data[y1 + x1 + channel] * toRight;
        pixels[at++] = (upper * toTop + lower * toBottom + 512) >> 10;
      }
    }
  }
}
