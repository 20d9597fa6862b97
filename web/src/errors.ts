/**
 * The errors that a user can cause and solve, as in `fkd_infer/errors.py`: one line each, of the
 * subject, the problem and what to do. Read the fields instead of parsing the text.
 */

export class FkdError extends Error {
  override readonly name: string = "FkdError";

  constructor(
    readonly subject: string,
    readonly problem: string,
    readonly fix: string | null = null,
  ) {
    super(`${subject}: ${problem}${fix === null ? "" : `; ${fix}`}`);
  }
}

/** A model or a filter cannot be loaded from its address. */
export class DownloadError extends FkdError {
  override readonly name = "DownloadError";
}

/** A model's file is damaged, or not one of fkd-export. */
export class InvalidModelError extends FkdError {
  override readonly name = "InvalidModelError";
}

/** A model has no card, or a card that this version cannot read. */
export class ModelCardError extends FkdError {
  override readonly name = "ModelCardError";

  static of(where: string, problem: string): ModelCardError {
    return new ModelCardError(
      where,
      problem,
      "export the model with fkd-export, which writes a valid card",
    );
  }
}

/** A model is for another task. */
export class WrongTaskError extends FkdError {
  override readonly name = "WrongTaskError";
}

/** A network has points of its own, and no rule leads from the detector's boxes to them. */
export class DetectorError extends FkdError {
  override readonly name = "DetectorError";
}

/** A provider that was asked for cannot be used. */
export class ProviderError extends FkdError {
  override readonly name = "ProviderError";
}

/** A network failed, or returned values that are not finite. */
export class InferenceError extends FkdError {
  override readonly name = "InferenceError";

  static notFinite(model: string): InferenceError {
    const problem = "returned values that are not finite; the file is broken";
    return new InferenceError(`model '${model}'`, problem);
  }
}

/** What was passed is no picture. */
export class InvalidImageError extends FkdError {
  override readonly name = "InvalidImageError";
}

/** An option has an invalid value. */
export class SettingsError extends FkdError {
  override readonly name = "SettingsError";
}

/** A filter's folder cannot be used. */
export class FilterError extends FkdError {
  override readonly name = "FilterError";
}

/** The text of an error that is not ours, as one line. */
export function oneLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error)
    .replace(/\s+/g, " ")
    .trim();
}
