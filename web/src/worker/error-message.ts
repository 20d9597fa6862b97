/** Errors as they are sent between threads, which keep no classes. */

import * as errors from "../errors";

type ErrorClass = new (subject: string, problem: string, fix: string | null) => Error;

export interface ErrorMessage {
  name: string;
  subject: string;
  problem: string;
  fix: string | null;
}

/** The message of any error; one that is not ours is a bug, and keeps its text. */
export function toMessage(error: unknown): ErrorMessage {
  if (error instanceof errors.FkdError) {
    return { name: error.name, subject: error.subject, problem: error.problem, fix: error.fix };
  }
  return { name: "Error", subject: "", problem: errors.oneLine(error), fix: null };
}

/** The error of a message, of the class that it had. */
export function fromMessage({ name, subject, problem, fix }: ErrorMessage): Error {
  if (!name.endsWith("Error") || !(name in errors)) return new Error(problem);
  const kind = errors[name as keyof typeof errors] as ErrorClass;
  return new kind(subject, problem, fix);
}
