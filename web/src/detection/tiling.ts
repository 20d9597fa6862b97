/**
 * Views: the scales at which a detector searches a picture, and how results are merged. The rules
 * are those of `fkd_infer/detection/tiling.py`, without tiles for small faces.
 */

import { bgrImage, roundHalfEven, type Pixels } from "../geometry/arrays";
import { coverage, iou, suppress } from "../geometry/nms";
import { halve, interpolate } from "../geometry/resize";
import { selectDetections, type Box, type Detections } from "../types";

/** Boxes of two views with a larger IoU, or share of the smaller box, are of one face. */
const [MAX_IOU, MAX_COVERAGE] = [0.45, 0.7];

/** A picture for the detector, and how its pixels lie in the whole: at x · scale + offset. */
export interface View {
  readonly pixels: Pixels;
  readonly scale: readonly [across: number, down: number];
  readonly offset: readonly [right: number, down: number];
}

/**
 * By which factors a picture is downscaled to be searched: to `maxSize`, and once more if a face
 * larger than the detector finds has room in it.
 */
export function planFactors(
  width: number,
  height: number,
  maxSize: number,
  largestFace: number,
): number[] {
  const longer = Math.max(width, height);
  const factor = Math.max(1, longer / maxSize);
  const coarser = longer / largestFace;
  return coarser > factor ? [factor, coarser] : [factor];
}

/**
 * The picture in BGR at 1 / `factor` of its size: halved by averaging as often as possible, and
 * then interpolated.
 */
export function extractView(image: Pixels, factor: number): View {
  let pixels = image;
  const width = Math.max(1, roundHalfEven(pixels.width / factor));
  const height = Math.max(1, roundHalfEven(pixels.height / factor));
  let halved = 1;
  while (factor / halved >= 2 && Math.min(pixels.width, pixels.height) >= 2) {
    pixels = halve(pixels);
    halved *= 2;
  }
  const [across, down] = [pixels.width / width, pixels.height / height];
  const shift = (halved - 1) / 2;
  return {
    pixels: interpolate(bgrImage(pixels), width, height),
    scale: [halved * across, halved * down],
    offset: [(halved * (across - 1)) / 2 + shift, (halved * (down - 1)) / 2 + shift],
  };
}

/** Detections of a view in pixels of the picture. */
export function toPicture(detections: Detections, { scale, offset }: View): Detections {
  const [across, down] = scale.map(Math.fround);
  const [right, below] = offset.map(Math.fround);
  const boxes = detections.boxes.map(([x0, y0, x1, y1]): Box => [
    Math.fround(x0 * across + right),
    Math.fround(y0 * down + below),
    Math.fround(x1 * across + right),
    Math.fround(y1 * down + below),
  ]);
  return { boxes, scores: detections.scores };
}

/** All detections of several views of a picture, each face once; best first. */
export function merge(parts: readonly Detections[]): Detections {
  let merged: Detections = {
    boxes: parts.flatMap(({ boxes }) => boxes),
    scores: parts.flatMap(({ scores }) => scores),
  };
  for (const [limit, measure] of [
    [MAX_IOU, iou],
    [MAX_COVERAGE, coverage],
  ] as const) {
    merged = selectDetections(merged, suppress(merged.boxes, merged.scores, limit, measure));
  }
  return merged;
}
