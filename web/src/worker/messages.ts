/** What the page and the worker send each other. */

import type { Smoothing } from "../choices";
import type { ModelCard } from "../models/cards/landmark";
import type { ModelFile, PipelineOptions } from "../pipeline";
import type { Face } from "../types";
import type { ErrorMessage } from "./error-message";

/** A picture that can be transferred. */
export type Transferable2d = ImageBitmap | VideoFrame | ImageData;

/** Which provider a network runs on, and why. */
export interface RunsOn {
  readonly provider: string;
  readonly reason: string;
}

/** What a loaded pipeline says about itself. */
export interface PipelineInfo {
  readonly card: ModelCard;
  readonly runsOn: { readonly model: RunsOn; readonly detector: RunsOn };
  /** Threads of WebAssembly. */
  readonly threads: number;
}

/** The calls that the worker answers, by name: the arguments and the result. */
export interface Calls {
  load: {
    args: { model: ModelFile; detector: ModelFile; options: PipelineOptions };
    result: PipelineInfo;
  };
  findFaces: { args: { image: Transferable2d; maxSize: number | null }; result: readonly Face[] };
  openTracker: { args: { smoothing: Smoothing; maxSize: number | null }; result: number };
  track: {
    args: { tracker: number; image: Transferable2d; seconds: number };
    result: readonly Face[];
  };
  closeTracker: { args: { tracker: number }; result: null };
}

export type CallName = keyof Calls;

export type Request = {
  [Name in CallName]: { id: number; name: Name; args: Calls[Name]["args"] };
}[CallName];

export type Response =
  { id: number; result: Calls[CallName]["result"] } | { id: number; error: ErrorMessage };
