import { expect, test } from "vitest";
import { MIN_PRESENCE, SEARCH_SIZES } from "../src/choices";
import { CHECKED_THRESHOLD } from "../src/detection/fkd";
import { builtinScheme, type LandmarkScheme } from "../src/landmarks/schemes";
import { SCORE_TOLERANCE, TOLERANCE } from "../src/runtime/proof";
import { table } from "./fixtures";

interface Constants {
  readonly min_presence: number;
  readonly search_sizes: object;
  readonly checked_threshold: number;
  readonly proof: readonly number[];
  readonly schemes: readonly LandmarkScheme[];
}

const CONSTANTS = table<Constants>("constants");

test("numbers are those of Python", () => {
  expect(MIN_PRESENCE).toBe(CONSTANTS.min_presence);
  expect(SEARCH_SIZES).toEqual(CONSTANTS.search_sizes);
  expect(CHECKED_THRESHOLD).toBe(CONSTANTS.checked_threshold);
  expect([TOLERANCE, SCORE_TOLERANCE]).toEqual(CONSTANTS.proof);
});

test.each(CONSTANTS.schemes)("the scheme $name is that of Python", (scheme) => {
  expect(builtinScheme(scheme.name)).toEqual(scheme);
});
