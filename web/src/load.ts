/** Loads a pipeline that works in a thread of its own. */

import { SEARCH_SIZES, type Smoothing } from "./choices";
import { InvalidImageError, oneLine, SettingsError } from "./errors";
import type { ModelFile, PipelineOptions } from "./pipeline";
import { download } from "./system/download";
import type { Face } from "./types";
import { fromMessage } from "./worker/error-message";
import type { CallName, Calls, PipelineInfo, Response, Transferable2d } from "./worker/messages";

/** An address, or the bytes of an ONNX file of fkd-export. */
export type ModelSource = string | URL | Blob | ArrayBuffer | Uint8Array;

/** A picture, or an element or canvas that shows one. */
export type Picture = ImageBitmapSource | VideoFrame;

export interface LoadOptions extends PipelineOptions {
  /** The network that places points. */
  readonly model: ModelSource;
  /** The network that finds faces. */
  readonly detector: ModelSource;
}

export interface SearchOptions {
  /** Longer side of the picture, in pixels, at which faces are searched. */
  readonly maxSize?: number;
}

export interface TrackingOptions extends SearchOptions {
  /** How much the points are smoothed; the default is "medium". */
  readonly smoothing?: Smoothing;
}

/** A loaded pipeline: `await pipeline(picture)` finds the faces, best first. */
export interface LoadedPipeline extends PipelineInfo {
  (picture: Picture, options?: SearchOptions): Promise<readonly Face[]>;
  /** Starts to track the faces of one video. */
  tracker(options?: TrackingOptions): Promise<VideoTracker>;
  /** Ends the thread; calls that wait for an answer fail. */
  close(): void;
}

/** Tracks the faces of one video at a time. */
export interface VideoTracker {
  /** The faces of the next frame, `seconds` after the start, by id. */
  (frame: Picture, seconds: number): Promise<readonly Face[]>;
  close(): Promise<void>;
}

/** Loads both networks, and starts the thread in which they run. Errors are FkdErrors. */
export async function load({ model, detector, ...options }: LoadOptions): Promise<LoadedPipeline> {
  const files = await Promise.all([read(model, "the model"), read(detector, "the detector")]);
  const client = new WorkerClient();
  let info: PipelineInfo;
  try {
    info = await client.call("load", { model: files[0], detector: files[1], options });
  } catch (error) {
    client.close();
    throw error;
  }
  const find = async (picture: Picture, { maxSize }: SearchOptions = {}) => {
    const image = await transferable(picture);
    return client.call("findFaces", { image, maxSize: maxSize ?? null }, [image]);
  };
  const tracker = async (options: TrackingOptions = {}): Promise<VideoTracker> => {
    const { smoothing = "medium", maxSize = SEARCH_SIZES.videos } = options;
    const number = await client.call("openTracker", { smoothing, maxSize });
    const track = async (frame: Picture, seconds: number) => {
      const image = await transferable(frame);
      return client.call("track", { tracker: number, image, seconds }, [image]);
    };
    const close = async () => void (await client.call("closeTracker", { tracker: number }));
    return Object.assign(track, { close });
  };
  return Object.assign(find, info, { tracker, close: () => client.close() });
}

/** Calls the worker, and keeps the calls that wait for an answer. */
class WorkerClient {
  private readonly worker = new Worker(new URL("./worker/worker.ts", import.meta.url), {
    type: "module",
    name: "fkd",
  });
  private readonly waiting = new Map<number, (response: Response) => void>();
  private failure: string | null = null;
  private last = 0;

  constructor() {
    this.worker.addEventListener("message", ({ data }: MessageEvent<Response>) => {
      this.waiting.get(data.id)?.(data);
      this.waiting.delete(data.id);
    });
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.fail(`its worker failed: ${event.message || "it could not be loaded"}`);
    });
  }

  call<Name extends CallName>(
    name: Name,
    args: Calls[Name]["args"],
    transfer: Transferable2d[] = [],
  ): Promise<Calls[Name]["result"]> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, (response) => {
        if ("error" in response) reject(fromMessage(response.error));
        else resolve(response.result as Calls[Name]["result"]);
      });
      if (this.failure !== null) this.fail(this.failure);
      else this.worker.postMessage({ id, name, args }, transfer.map(transferred));
    });
  }

  close(): void {
    this.fail("is closed");
    this.worker.terminate();
  }

  /** Ends all calls that wait, and those to come. */
  private fail(problem: string): void {
    this.failure = problem;
    const error = { name: "FkdError", subject: "the pipeline", problem, fix: null };
    for (const [id, settle] of this.waiting) settle({ id, error });
    this.waiting.clear();
  }
}

function transferred(image: Transferable2d): Transferable {
  return image instanceof ImageData ? image.data.buffer : image;
}

/** A copy of a picture that can be sent to the worker. */
async function transferable(picture: Picture): Promise<Transferable2d> {
  try {
    if (picture instanceof ImageData) {
      return new ImageData(picture.data.slice(), picture.width, picture.height);
    }
    if (typeof VideoFrame !== "undefined" && picture instanceof VideoFrame) return picture.clone();
    return await createImageBitmap(picture as ImageBitmapSource, { premultiplyAlpha: "none" });
  } catch (error) {
    throw new InvalidImageError("a picture", `cannot be read: ${oneLine(error)}`);
  }
}

/** The bytes of a model; `what` names it if it has no address. */
async function read(source: ModelSource | undefined, what: string): Promise<ModelFile> {
  if (source === undefined) throw new SettingsError(what, "is missing", "name its file");
  if (source instanceof Uint8Array) return { data: source, name: what };
  if (source instanceof ArrayBuffer) return { data: new Uint8Array(source), name: what };
  if (source instanceof Blob) {
    const name = source instanceof File ? source.name : what;
    return { data: new Uint8Array(await source.arrayBuffer()), name };
  }
  const address = String(source);
  const content = await (await download(address)).arrayBuffer();
  return { data: new Uint8Array(content), name: address };
}
