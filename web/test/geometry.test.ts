import { expect, test } from "vitest";
import { cropBatch, cropMatrix } from "../src/geometry/crop";
import type { CropRule } from "../src/geometry/rules";
import { extractView, planFactors } from "../src/detection/tiling";
import { coverage, iou, suppress } from "../src/geometry/nms";
import type { Box } from "../src/types";
import { bytes, difference, picture, table, type PictureFile } from "./fixtures";

interface Crop {
  readonly picture: PictureFile;
  readonly box: Box;
  readonly rule: CropRule;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly crop: string;
}

test.each(table<Crop[]>("crops").map((crop, number) => ({ number, crop })))(
  "crop $number has the pixels that Python cuts",
  ({ crop }) => {
    const matrix = cropMatrix(crop.box, crop.rule, crop.size);
    const image = picture(crop.picture);
    const pixels = cropBatch(image, [matrix], crop.size, crop.channels, crop.rule.border);
    expect(difference(pixels, bytes(crop.crop))).toBeLessThanOrEqual(1);
  },
);

interface ViewFile {
  readonly picture: PictureFile;
  readonly factor: number;
  readonly width: number;
  readonly height: number;
  readonly pixels: string;
  readonly matrix: readonly [readonly number[], readonly number[]];
}

test.each(table<ViewFile[]>("views"))("a view at 1 / $factor is that of Python", (expected) => {
  const view = extractView(picture(expected.picture), expected.factor);
  expect([view.pixels.width, view.pixels.height]).toEqual([expected.width, expected.height]);
  expect(difference(view.pixels.data, bytes(expected.pixels))).toBeLessThanOrEqual(1);
  const [[across, , right], [, down, below]] = expected.matrix;
  expect(difference([...view.scale, ...view.offset], [across, down, right, below])).toBeLessThan(
    1e-5,
  );
});

test("a picture with room for larger faces than the detector finds is searched twice", () => {
  expect(planFactors(640, 480, 1280, 300)).toEqual([1, 640 / 300]);
  expect(planFactors(2560, 480, 1280, 1920)).toEqual([2]);
});

test("of boxes of one face the best is selected", () => {
  const boxes: Box[] = [
    [0, 0, 10, 10],
    [1, 0, 11, 10],
    [20, 0, 30, 10],
    [2, 2, 6, 6],
  ];
  expect(suppress(boxes, [0.5, 0.9, 0.7, 0.6], 0.45, iou)).toEqual([1, 2, 3]);
  expect(suppress(boxes, [0.5, 0.9, 0.7, 0.6], 0.7, coverage)).toEqual([1, 2]);
});
