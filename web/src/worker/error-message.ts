/** Errors as they are sent between threads, which keep no classes. */

import {
  DetectorError,
  DownloadError,
  FilterError,
  FkdError,
  InferenceError,
  InvalidImageError,
  InvalidModelError,
  ModelCardError,
  ProviderError,
  SettingsError,
  WrongTaskError,
  oneLine,
} from "../errors";

const CLASSES = [
  DownloadError,
  InvalidModelError,
  ModelCardError,
  WrongTaskError,
  DetectorError,
  ProviderError,
  InferenceError,
  InvalidImageError,
  SettingsError,
  FilterError,
];

export interface ErrorMessage {
  name: string;
  subject: string;
  problem: string;
  fix: string | null;
}

/** The message of any error; one that is not ours is a bug, and keeps its text. */
export function toMessage(error: unknown): ErrorMessage {
  if (error instanceof FkdError) {
    return { name: error.name, subject: error.subject, problem: error.problem, fix: error.fix };
  }
  return { name: "Error", subject: "", problem: oneLine(error), fix: null };
}

/** The error of a message, of the class that it had. */
export function fromMessage({ name, subject, problem, fix }: ErrorMessage): Error {
  for (const kind of CLASSES) {
    const error = new kind(subject, problem, fix);
    if (error.name === name) return error;
  }
  return name === "FkdError" ? new FkdError(subject, problem, fix) : new Error(problem);
}
