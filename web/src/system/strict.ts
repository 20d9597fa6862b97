/**
 * Typed values from plain data, as JSON has it, with strict checks: unknown and missing fields and
 * wrong types are refused with a line that names them, as by
 * `fkd_infer/system/files/strict_dataclass.py`.
 */

const MAX_DEPTH = 10;
const MAX_NAME = 200;
const MAX_TEXT = 20_000;
const UNPRINTABLE = /[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\ud800-\udfff]/u;
const NO_NAME = /[\p{C}\p{Zl}\p{Zp}]/u;

/** A value that does not fit its field; the text names both. */
export class MismatchError extends Error {}

/** Returns a value of a type from plain data; `where` names it in a MismatchError. */
export type Parser<T> = (value: unknown, where: string) => T;

type Parsers<T> = { readonly [Name in keyof T]: Parser<T[Name]> };
type Defaults<T> = { readonly [Name in keyof T]: readonly [Parser<T[Name]>, NoInfer<T[Name]>] };

function mismatch(value: unknown, where: string, type: string): MismatchError {
  return new MismatchError(`${where} is ${shown(value)}, which does not fit ${type}`);
}

export const text: Parser<string> = (value, where) => {
  if (typeof value !== "string") throw mismatch(value, where, "text");
  return value;
};

/** One line that is not empty. */
export const name: Parser<string> = (value, where) => {
  const problem = nameProblem(text(value, where));
  if (problem) throw new MismatchError(`${where} ${problem}`);
  return value as string;
};

export const number: Parser<number> = (value, where) => {
  if (typeof value !== "number") throw mismatch(value, where, "a number");
  return value;
};

export const integer: Parser<number> = (value, where) => {
  if (!Number.isInteger(value)) throw mismatch(value, where, "a whole number");
  return value as number;
};

export const flag: Parser<boolean> = (value, where) => {
  if (typeof value !== "boolean") throw mismatch(value, where, "true or false");
  return value;
};

export function literal<T extends string | number>(...values: readonly T[]): Parser<T> {
  return (value, where) => {
    if (!values.includes(value as T)) throw mismatch(value, where, values.map(shown).join(" or "));
    return value as T;
  };
}

export function nullable<T>(parser: Parser<T>): Parser<T | null> {
  return (value, where) => (value === null ? null : parser(value, where));
}

export function listOf<T>(parser: Parser<T>): Parser<readonly T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) throw mismatch(value, where, "a list");
    return value.map((item, index) => parser(item, `${where}[${index}]`));
  };
}

export function pairOf<T>(parser: Parser<T>): Parser<readonly [T, T]> {
  return (value, where) => {
    const items = listOf(parser)(value, where);
    if (items.length !== 2) throw mismatch(value, where, "a list of two");
    return [items[0], items[1]];
  };
}

/** A table with names of any kind. */
export function tableOf<T>(parser: Parser<T>): Parser<Readonly<Record<string, T>>> {
  return (value, where) => {
    const entries = Object.entries(table(value, where));
    return Object.fromEntries(entries.map(([key, item]) => [key, parser(item, `${where}.${key}`)]));
  };
}

/** A table of these fields; the second ones may be missing, and have defaults. */
export function record<R, O = {}>(
  required: Parsers<R>,
  optional: Defaults<O> = {} as Defaults<O>,
): Parser<R & O> {
  const parsers = new Map<string, Parser<unknown>>(Object.entries(required));
  const defaults = new Map<string, unknown>();
  for (const [field, pair] of Object.entries(optional)) {
    const [parser, value] = pair as [Parser<unknown>, unknown];
    parsers.set(field, parser);
    defaults.set(field, value);
  }
  return (value, where) => {
    const given = new Map(Object.entries(table(value, where)));
    for (const field of given.keys()) {
      if (!parsers.has(field)) throw new MismatchError(`${where}.${field} is not a field`);
    }
    const result = [...parsers].map(([field, parser]) => {
      if (given.has(field)) return [field, parser(given.get(field), `${where}.${field}`)];
      if (!defaults.has(field)) throw new MismatchError(`${where}.${field} is missing`);
      return [field, defaults.get(field)];
    });
    return Object.fromEntries(result) as R & O;
  };
}

/** A value with a further requirement: `problemOf` says what is wrong with it, or nothing. */
export function checked<T>(parser: Parser<T>, problemOf: (value: T) => string): Parser<T> {
  return (value, where) => {
    const parsed = parser(value, where);
    const problem = problemOf(parsed);
    if (problem) throw new MismatchError(`${where}: ${problem}`);
    return parsed;
  };
}

/** Why plain data can be neither shown nor computed with, or an empty text. Checked first. */
export function plainProblem(value: unknown, where: string, depth = 0): string {
  if (depth > MAX_DEPTH) return `${where.split(".")[0]} is nested too deeply`;
  if (typeof value === "number" && !Number.isFinite(value)) {
    return `${where} is ${value}, and has to be finite`;
  }
  if (typeof value === "string") {
    const problem = textProblem(value);
    return problem && `${where} ${problem}`;
  }
  if (typeof value !== "object" || value === null) return "";
  for (const [key, item] of Object.entries(value)) {
    const inside = Array.isArray(value) ? `${where}[${key}]` : `${where}.${key}`;
    const problem = nameProblem(key);
    if (problem) return `the name ${shown(key)} in ${where} ${problem}`;
    const itsProblem = plainProblem(item, inside, depth + 1);
    if (itsProblem) return itsProblem;
  }
  return "";
}

/** A value in one line, shortened. */
export function shown(value: unknown): string {
  const line = typeof value === "string" ? `'${value}'` : (JSON.stringify(value) ?? String(value));
  return line.length <= MAX_NAME ? line : `${line.slice(0, MAX_NAME - 1)}…`;
}

function table(value: unknown, where: string): object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MismatchError(`${where} is ${shown(value)}, which is not a table`);
  }
  return value;
}

function textProblem(value: string): string {
  if (value.length > MAX_TEXT) {
    return `is ${value.length} characters long, and ${MAX_TEXT} are allowed`;
  }
  return UNPRINTABLE.test(value) ? "has a control character" : "";
}

/** Why text is not a name, one line that is not empty, or an empty text. */
export function nameProblem(value: string): string {
  if (!value.trim()) return "is empty";
  if (value.length > MAX_NAME) {
    return `is ${value.length} characters long, and ${MAX_NAME} are allowed`;
  }
  return NO_NAME.test(value) ? "has a character that cannot be shown" : "";
}
