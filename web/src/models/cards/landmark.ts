/**
 * The card of a landmark network: all that the runtime knows of it;
 * `fkd_infer/models/cards/landmark.py` explains each field.
 */

import {
  builtinScheme,
  IBUG68,
  parseScheme,
  SCHEMES,
  type LandmarkScheme,
} from "../../landmarks/schemes";
import {
  checked,
  flag,
  integer,
  listOf,
  literal,
  MismatchError,
  name,
  nullable,
  number,
  pairOf,
  record,
  shown,
  tableOf,
  text,
  type Parser,
} from "../../system/strict";
import { boxRule, cardOf, ruleProblem, runsIn, training, VERSION } from "./base";

const [MIN_INPUT_SIZE, MAX_INPUT_SIZE] = [8, 4096];

const input = checked(
  record(
    { size: integer, channels: literal(1, 3) },
    {
      dtype: [literal("uint8", "float32"), "uint8"],
      layout: [literal("NHWC", "NCHW"), "NHWC"],
    },
  ),
  ({ size, dtype, layout }) => {
    if ((dtype === "uint8") !== (layout === "NHWC")) {
      return `it is ${dtype} ${layout}, but must be uint8 NHWC, or float32 NCHW`;
    }
    const fits = size >= MIN_INPUT_SIZE && size <= MAX_INPUT_SIZE;
    return fits ? "" : `size is ${size}, but must be ${MIN_INPUT_SIZE} to ${MAX_INPUT_SIZE} pixels`;
  },
);

const crop = checked(
  record(
    { scale: number },
    {
      shift: [pairOf(number), [0, 0]],
      border: [literal("replicate", "black"), "replicate"],
    },
  ),
  ruleProblem,
);

const output = record(
  {},
  { space: [literal("crop"), "crop"], score: [flag, false], spread: [flag, false] },
);

const accuracy = record(
  { nme: number, failure_rate_10: number, count: integer },
  { seed_mse: [nullable(number), null] },
);

const parity = record(
  { largest_px: number, mean_px: number, nme_change: nullable(number), faces: text },
  { largest_score: [nullable(number), null], largest_spread: [nullable(number), null] },
);

/** A built-in scheme by its name, or another in full. */
const scheme: Parser<LandmarkScheme> = (value, where) => {
  if (typeof value !== "string") {
    const own = parseScheme(value, where);
    if (own.name !== IBUG68.name) return own;
    throw new MismatchError(`${where}: name '${own.name}' is that of a built-in scheme`);
  }
  const builtin = builtinScheme(value);
  if (builtin !== null) return builtin;
  const names = SCHEMES.join(", ");
  throw new MismatchError(`${where}: no scheme is called ${shown(value)}; there are: ${names}`);
};

const parser = checked(
  record(
    {
      name,
      architecture: name,
      scheme,
      input,
      crop,
      precision: name,
      opset: integer,
      training,
      licence: text,
    },
    {
      output: [output, { space: "crop", score: false, spread: false }],
      accuracy: [tableOf(accuracy), {}],
      box_rules: [tableOf(boxRule), {}],
      parity: [nullable(parity), null],
      exporter: [tableOf(text), {}],
      platform: [literal("any", "avx2", "vnni", "arm"), "any"],
      convention: [nullable(name), null],
      conventions: [tableOf(listOf(pairOf(number))), {}],
      runs_in: [runsIn, {}],
      version: [literal(VERSION), VERSION],
    },
  ),
  (card) => {
    for (const [convention, offsets] of Object.entries(card.conventions)) {
      if (offsets.length !== card.scheme.count) {
        return `conventions.${convention} has ${offsets.length} points`;
      }
    }
    return "";
  },
);

export type ModelCard = typeof parser extends Parser<infer Card> ? Card : never;

/** Reads the card in a network's metadata; throws ModelCardError and WrongTaskError. */
export function modelCard(metadata: ReadonlyMap<string, string>, where: string): ModelCard {
  return cardOf(metadata, where, null, parser);
}

/** Names of the graph's outputs, in order. */
export function outputNames({ score, spread }: ModelCard["output"]): string[] {
  return ["points", ...(score ? ["score"] : []), ...(spread ? ["spread"] : [])];
}
