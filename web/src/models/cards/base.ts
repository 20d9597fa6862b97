/** The parts that cards of all tasks share: one JSON object in an ONNX file's metadata. */

import { ModelCardError, WrongTaskError } from "../../errors";
import type { BoxRule } from "../../geometry/rules";
import {
  checked,
  integer,
  MismatchError,
  name,
  nullable,
  number,
  pairOf,
  plainProblem,
  record,
  shown,
  tableOf,
  text,
  type Parser,
} from "../../system/strict";

export const METADATA_KEY = "fkd";
export const VERSION = 1;
/** Limit of a rule's scale, its inverse and its shift. */
const MAX_SCALE = 100;

const TASKS = new Map<unknown, string>([
  [null, "places points"],
  ["detector", "finds faces"],
  ["end-to-end", "finds faces and places points"],
]);

/** Where the weights come from. */
export const training = record({
  recipe: text,
  data: text,
  split: text,
  epochs: integer,
  seed: integer,
  weights_sha256: text,
});

/** A number from 0 to 1. */
export const share: Parser<number> = checked(number, (value) =>
  value >= 0 && value <= 1 ? "" : `is ${value}, but must be from 0 to 1`,
);

export const boxRule = checked(record({ scale: number, shift: pairOf(number) }), ruleProblem);

/** Runtimes whose outputs equal ONNX Runtime's, by name. */
export const runsIn = tableOf(
  record({
    version: name,
    largest_px: number,
    largest_score: nullable(number),
    inputs: name,
  }),
);

/** What is wrong with a rule, which may lead not too far away from a face's box. */
export function ruleProblem({ scale, shift }: BoxRule): string {
  if (!(scale >= 1 / MAX_SCALE && scale <= MAX_SCALE)) {
    return `scale is ${scale}, but must be from ${1 / MAX_SCALE} to ${MAX_SCALE}`;
  }
  const far = Math.max(...shift.map(Math.abs)) > MAX_SCALE;
  return far ? `shift is ${shown(shift)}, but must be ${MAX_SCALE} at most` : "";
}

/** Reads the card of a task in a file's metadata; `where` names the file in errors. */
export function cardOf<T>(
  metadata: ReadonlyMap<string, string>,
  where: string,
  task: string | null,
  parser: Parser<T>,
): T {
  const json = metadata.get(METADATA_KEY);
  if (json === undefined) throw ModelCardError.of(where, "it has no fkd model card");
  const table = parseJson(json, where);
  const version = table["version"] ?? null;
  if (version !== VERSION) {
    const problem = `its card has version ${shown(version)}, but this fkd reads ${VERSION}`;
    throw ModelCardError.of(where, problem);
  }
  const problem = plainProblem(table, "card");
  if (problem) throw ModelCardError.of(where, problem);
  const actual = table["task"] ?? null;
  if (actual !== task) throw wrongTask(where, actual, task);
  try {
    return parser(table, "card");
  } catch (error) {
    if (!(error instanceof MismatchError)) throw error;
    throw ModelCardError.of(where, error.message);
  }
}

function parseJson(json: string, where: string): Record<string, unknown> {
  let table: unknown;
  try {
    table = JSON.parse(json);
  } catch (error) {
    throw ModelCardError.of(where, `its card is not JSON: ${(error as Error).message}`);
  }
  const isTable = typeof table === "object" && table !== null;
  return isTable ? (table as Record<string, unknown>) : {};
}

function wrongTask(where: string, actual: unknown, expected: string | null): WrongTaskError {
  const does = TASKS.get(actual) ?? `has the task ${shown(actual)}`;
  const problem = `this network ${does}, but one that ${TASKS.get(expected)} is needed`;
  const options = new Map<unknown, string>([
    [null, "use it as model"],
    ["detector", "use it as detector"],
  ]);
  return new WrongTaskError(where, problem, options.get(actual) ?? null);
}
