/** Faces as JSON lines, as those of `fkd-infer --json`; docs/reference/formats.md describes the fields. */

import type { Face } from "../src";
import type { Frame } from "./stage";

const SCHEMA = "fkd/1";

/** One JSON object, and the end of its line. */
export function recordLine(
  { picture, source, number, seconds }: Frame,
  faces: readonly Face[],
): string {
  const { width, height } = picture;
  const record = {
    schema: SCHEMA,
    source,
    frame: number,
    time: seconds,
    width,
    height,
    faces: faces.map(({ id, box, score, presence, points }) => ({
      id,
      box: box.map(pixels),
      score: rounded(score, 4),
      presence: presence === null ? null : rounded(presence, 4),
      points: points.map((point) => point.map(pixels)),
      predicted: false,
    })),
  };
  return `${JSON.stringify(record)}\n`;
}

function pixels(value: number): number {
  return rounded(value, 2);
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits + 0; // -0 becomes 0
}
