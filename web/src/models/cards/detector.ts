/** The card of a face detector; `fkd_infer/models/cards/detector.py` explains each field. */

import { POINTS_BOX } from "../../geometry/rules";
import {
  checked,
  integer,
  literal,
  name,
  nullable,
  number,
  record,
  tableOf,
  text,
  type Parser,
} from "../../system/strict";
import { boxRule, cardOf, runsIn, share, training, VERSION } from "./base";

const TASK = "detector";

const accuracy = record({
  recall: number,
  false_per_image: number,
  threshold: number,
  average_precision: number,
  count: integer,
});

const parity = record({
  largest_px: number,
  largest_score: number,
  boxes: integer,
  images: text,
});

const image = record(
  {},
  {
    channels: [literal(3), 3],
    dtype: [literal("uint8"), "uint8"],
    layout: [literal("HWC"), "HWC"],
  },
);

const parser = checked(
  record(
    {
      name,
      architecture: name,
      threshold: share,
      floor: share,
      overlap: share,
      smallest: number,
      precision: name,
      opset: integer,
      training,
      licence: text,
    },
    {
      input: [image, { channels: 3, dtype: "uint8", layout: "HWC" }],
      box_rule: [boxRule, POINTS_BOX],
      accuracy: [tableOf(accuracy), {}],
      parity: [nullable(parity), null],
      exporter: [tableOf(text), {}],
      largest: [number, 300],
      runs_in: [runsIn, {}],
      task: [literal(TASK), TASK],
      version: [literal(VERSION), VERSION],
    },
  ),
  ({ smallest, largest }) => {
    if (!(smallest >= 1 && smallest <= 1000)) {
      return `smallest is ${smallest}, but must be from 1 to 1000 pixels`;
    }
    const fits = smallest < largest && largest <= 100_000;
    return fits ? "" : `largest is ${largest}, but must be above smallest, in pixels`;
  },
);

export type DetectorCard = typeof parser extends Parser<infer Card> ? Card : never;

/** Reads the card in a detector's metadata; throws ModelCardError and WrongTaskError. */
export function detectorCard(metadata: ReadonlyMap<string, string>, where: string): DetectorCard {
  return cardOf(metadata, where, TASK, parser);
}
