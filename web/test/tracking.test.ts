import { beforeAll, expect, test } from "vitest";
import { Pipeline } from "../src/pipeline";
import * as association from "../src/tracking/association";
import * as schedule from "../src/tracking/detection-schedule";
import { LEVELS, MAX_JUMP, Smoother } from "../src/tracking/one-euro";
import * as track from "../src/tracking/track";
import * as tracking from "../src/tracking/tracker";
import type { Box, Face, Points } from "../src/types";
import {
  distances,
  INSTALLATION,
  median,
  picture,
  report,
  shipped,
  table,
  type PictureFile,
} from "./fixtures";

const { Tracker } = tracking;

interface Constants {
  readonly levels: object;
  readonly max_jump: number;
  readonly tracking: Readonly<Record<string, number>>;
}

test("numbers are those of Python", () => {
  const constants = table<Constants>("constants");
  expect(LEVELS).toEqual(constants.levels);
  expect(MAX_JUMP).toBe(constants.max_jump);
  const ours: object = { ...association, ...schedule, ...track, ...tracking };
  const numbers = Object.entries(ours).filter(([, value]) => typeof value === "number");
  expect(Object.fromEntries(numbers)).toEqual(constants.tracking);
});

interface Smoothed {
  readonly rate: number;
  readonly frames: readonly (readonly { id: number; points: Points }[])[];
  readonly levels: Readonly<Record<"low" | "medium" | "high", Smoothed["frames"]>>;
}

const SMOOTHED = table<Smoothed>("smoothing");

test.each(["low", "medium", "high"] as const)("points are smoothed as in Python: %s", (level) => {
  const smoother = new Smoother(level);
  SMOOTHED.frames.forEach((frame, number) => {
    const rest = { box: [0, 0, 1, 1] as Box, score: 1, presence: null, spread: null };
    const faces: Face[] = frame.map((face) => ({ ...face, ...rest }));
    smoother.smooth(number / SMOOTHED.rate, faces).forEach(({ points }, row) => {
      const expected = SMOOTHED.levels[level][number][row].points;
      expect(Math.max(...distances(points, expected))).toBeLessThan(1e-3);
    });
  });
});

interface TrackedFrame {
  readonly picture: PictureFile;
  readonly seconds: number;
  readonly faces: readonly Face[];
}

const VIDEO = table<TrackedFrame[]>("tracking");
let pipeline: Pipeline;

beforeAll(async () => {
  pipeline = await Pipeline.open(INSTALLATION, shipped("fkdnet"), shipped("fkd-detector"));
});

// Each box follows the last points, and whether these are placed twice depends on a threshold. On
// Python's own points, noise of 0.0001 px moves later ones by up to 0.9 px.
test("faces are tracked as in Python", async () => {
  const tracker = new Tracker(pipeline, "medium");
  const errors: number[][] = [];
  for (const { picture: file, seconds, faces: expected } of VIDEO) {
    const faces = await tracker.track(picture(file), seconds);
    expect(faces.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    errors.push(faces.flatMap(({ points }, row) => distances(points, expected[row].points)));
  }
  const all = errors.flat();
  report(`tracking: median ${median(all)}, largest ${Math.max(...all)} px`);
  expect(Math.max(...errors[0])).toBeLessThan(0.01);
  expect(Math.max(...all)).toBeLessThan(2);
  expect(median(all)).toBeLessThan(0.3);
});

test("a time that does not advance starts anew", async () => {
  const tracker = new Tracker(pipeline);
  const [first, , third] = VIDEO;
  expect((await tracker.track(picture(third.picture), 1)).map(({ id }) => id)).toEqual([1]);
  expect((await tracker.track(picture(first.picture), 0)).map(({ id }) => id)).toEqual([1]);
});

test("an unknown level of smoothing is refused", () => {
  expect(() => new Tracker(pipeline, "strong" as "high")).toThrow(
    "smoothing: is 'strong'; it must be off, low, medium, high",
  );
});
