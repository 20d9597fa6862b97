import { beforeAll, describe, expect, test } from "vitest";
import { FkdDetector } from "../src/detection/fkd";
import { Pipeline } from "../src/pipeline";
import type { Detections, Face } from "../src/types";
import {
  difference,
  distances,
  INSTALLATION,
  median,
  picture,
  report,
  shipped,
  table,
  type PictureFile,
} from "./fixtures";

interface Found {
  readonly name: string;
  readonly picture: PictureFile;
  readonly detections: Detections;
  readonly int8_detections: Detections;
  readonly faces: readonly Face[];
}

const PICTURES = table<Found[]>("pictures");
const INT8 = PICTURES.filter(({ name }) => name.startsWith("sheet") || name === "astronaut");
const errors: number[] = [];
let pipeline: Pipeline;

beforeAll(async () => {
  pipeline = await Pipeline.open(INSTALLATION, shipped("fkdnet"), shipped("fkd-detector"));
});

test.each(PICTURES)("$name has the faces that Python finds", async (expected) => {
  const image = picture(expected.picture);
  const found = await pipeline.detector.search(image);
  expectSame(found, expected.detections, 0.01);
  const faces = await pipeline.placePoints(image, found);
  expect(faces.length).toBe(expected.faces.length);
  faces.forEach((face, number) => {
    const other = expected.faces[number];
    errors.push(...distances(face.points, other.points));
    expect(difference(face.box, other.box)).toBeLessThan(0.01);
    expect(
      difference([face.score, face.presence ?? NaN], [other.score, other.presence ?? 0]),
    ).toBeLessThan(0.001);
    expect(difference(face.spread ?? [], other.spread ?? [])).toBeLessThan(0.05);
  });
});

test("points are where Python places them", () => {
  expect(errors.length).toBeGreaterThan(20 * 68);
  report(
    `${errors.length / 68} faces: median ${median(errors)}, largest ${Math.max(...errors)} px`,
  );
  // Rounding differs between CPUs, and a point between two cells of the grid may be refined in the
  // other one: one in thousands.
  const apart = errors.filter((error) => error > 0.5);
  expect(apart.length).toBeLessThan(errors.length / 1000);
  expect(Math.max(...errors)).toBeLessThan(3);
  expect(median(errors)).toBeLessThan(0.001);
});

describe("the detector in int8", () => {
  let detector: FkdDetector;

  beforeAll(async () => {
    const { data, name } = shipped("fkd-detector-int8");
    const { card } = pipeline.session;
    detector = await FkdDetector.open(INSTALLATION, data, name, "wasm", card, true);
  });

  // Sums of bytes are exact, but what follows is rounded to bytes again.
  test.each(INT8)("$name has the boxes that Python finds", async (expected) => {
    const found = await detector.search(picture(expected.picture));
    expectSame(found, expected.int8_detections, 0.2);
  });
});

test("a picture without faces has none", async () => {
  const gray = new Uint8Array(64 * 64 * 4).fill(127);
  const image = { data: gray, width: 64, height: 64, channels: 4 } as const;
  expect(await pipeline.findFaces(image)).toEqual([]);
});

test("what is no picture is refused with its size", async () => {
  const image = { data: new Uint8Array(5), width: 2, height: 2, channels: 3 } as const;
  await expect(pipeline.findFaces(image)).rejects.toThrow("got 5 bytes for 2 × 2 × 3");
});

test.each([
  [{ minPresence: 2 }, "minPresence: is 2, but must be from 0 to 1"],
  [{ provider: "cuda" as "wasm" }, "provider: is 'cuda'; it must be auto, wasm, webgpu"],
])("the options %j are refused", async (options, message) => {
  const opened = Pipeline.open(INSTALLATION, shipped("fkdnet"), shipped("fkd-detector"), options);
  await expect(opened).rejects.toThrow(message);
});

/** Expects the same boxes, in order, up to a distance in pixels. */
function expectSame(found: Detections, expected: Detections, px: number): void {
  expect(found.boxes.length).toBe(expected.boxes.length);
  expect(difference(found.boxes.flat(), expected.boxes.flat())).toBeLessThan(px);
  expect(difference(found.scores, expected.scores)).toBeLessThan(0.01);
}
