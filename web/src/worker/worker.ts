/** The thread in which networks run. Calls are answered one after the other. */

import type { Pixels } from "../geometry/arrays";
import { PixelReader } from "../media/pixel-reader";
import { Pipeline } from "../pipeline";
import { loadOnnxRuntime, wasmThreads } from "../runtime/install";
import { Tracker } from "../tracking/tracker";
import { toMessage } from "./error-message";
import type { CallName, Calls, Request, Response, Transferable2d } from "./messages";

type Answers = {
  [Name in CallName]: (args: Calls[Name]["args"]) => Promise<Calls[Name]["result"]>;
};

const reader = new PixelReader();
const trackers = new Map<number, Tracker>();
let pipeline: Pipeline | null = null;
let lastTracker = 0;
let queue: Promise<void> = Promise.resolve();

function loaded(): Pipeline {
  if (pipeline === null) throw new Error("the worker was called before it loaded networks");
  return pipeline;
}

/** The pixels of a picture, which is closed. */
function pixelsOf(image: Transferable2d): Pixels {
  try {
    return reader.read(image);
  } finally {
    if ("close" in image) image.close();
  }
}

const ANSWERS: Answers = {
  async load({ model, detector, options }) {
    const installation = await loadOnnxRuntime(options.provider ?? "auto");
    pipeline = await Pipeline.open(installation, model, detector, options);
    const [points, boxes] = [pipeline.session.started, pipeline.detector.started];
    return {
      card: pipeline.session.card,
      runsOn: {
        model: { provider: points.provider, reason: points.reason },
        detector: { provider: boxes.provider, reason: boxes.reason },
      },
      threads: wasmThreads(),
    };
  },
  findFaces({ image, maxSize }) {
    return loaded().findFaces(pixelsOf(image), maxSize ?? undefined);
  },
  async openTracker({ smoothing, maxSize }) {
    trackers.set(++lastTracker, new Tracker(loaded(), smoothing, maxSize ?? undefined));
    return lastTracker;
  },
  async track({ tracker, image, seconds }) {
    const pixels = pixelsOf(image);
    return (await trackers.get(tracker)?.track(pixels, seconds)) ?? [];
  },
  async closeTracker({ tracker }) {
    trackers.delete(tracker);
    return null;
  },
};

async function answer({ id, name, args }: Request): Promise<Response> {
  try {
    const call = ANSWERS[name] as (args: unknown) => Promise<Calls[CallName]["result"]>;
    return { id, result: await call(args) };
  } catch (error) {
    return { id, error: toMessage(error) };
  }
}

addEventListener("message", ({ data }: MessageEvent<Request>) => {
  queue = queue.then(async () => postMessage(await answer(data)));
});
