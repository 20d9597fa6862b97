/** Errors in words that a user can act on. */

import { FkdError } from "../src";

/** A problem that the page explains by itself. */
export class PageError extends Error {}

/** The line to show; an error that is not foreseen also goes to the console. */
export function explain(error: unknown): string {
  if (error instanceof FkdError || error instanceof PageError) return error.message;
  console.error(error);
  return `Something failed that should not have: ${String(error)}`;
}

const NO_CAMERA = "Photos and videos still work: choose “Open file”.";
const CAMERA_PROBLEMS: Readonly<Record<string, string>> = {
  NotAllowedError:
    "The camera is not allowed. Allow it for this page, by the sign beside the address or in the browser’s " +
    "settings, and start it again.",
  NotFoundError: "No camera was found. Connect one, and start it again.",
  NotReadableError:
    "The camera is taken: another program uses it, or the system does not give it. Close that program, and " +
    "start it again.",
  AbortError: "The camera stopped while it started. Start it again.",
  OverconstrainedError: "That camera is not there any more. Choose another.",
};

/** Why a camera cannot be used. */
export function cameraProblem(error: unknown): PageError {
  const name = error instanceof DOMException ? error.name : "";
  const known = CAMERA_PROBLEMS[name] ?? `The camera cannot be used: ${String(error)}.`;
  return new PageError(`${known} ${NO_CAMERA}`);
}

/** Browsers give cameras only to pages that nobody can have changed on their way. */
export function unsafeAddress(): PageError {
  return new PageError(
    "This browser gives no camera to a page that is not served safely: open it by https, or on localhost. " +
      NO_CAMERA,
  );
}
