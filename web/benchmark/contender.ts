/** What `benchmarks/web/` calls in a page: one contender, whose calls are timed by stage. */

/** Points [x, y] of one face, in pixels of the frame. */
export type FacePoints = readonly (readonly [number, number])[];

/** Milliseconds of one frame, by stage; "all" is the whole call. */
export type Times = Record<string, number>;

export interface Contender {
  /** Loads the networks. `variant` names what a contender has several of. */
  load(variant: string): Promise<void>;
  /** The faces of a frame, found as a user of the library calls it. */
  find(frame: HTMLCanvasElement): Promise<FacePoints[]>;
  /** The same, with the time of each stage. */
  stages(frame: HTMLCanvasElement): Promise<Times>;
}

interface FrameResult {
  readonly faces: readonly FacePoints[];
  /** Milliseconds of `find`. */
  readonly ms: number;
  readonly stages: Times;
}

/** Gives a contender to Playwright, as `load(variant)` and `measure(addresses)`. */
export function offer(contender: Contender): void {
  const measure = async (addresses: readonly string[]): Promise<FrameResult[]> => {
    const frames = await Promise.all(addresses.map(canvasOf));
    for (const frame of frames.slice(0, 3)) await contender.find(frame); // warms up
    const results: FrameResult[] = [];
    for (const frame of frames) {
      const [faces, ms] = await timed(() => contender.find(frame));
      results.push({ faces, ms, stages: await contender.stages(frame) });
    }
    return results;
  };
  Object.assign(window, { load: contender.load, measure });
}

/** What a call returns, and its milliseconds. */
export async function timed<T>(call: () => Promise<T> | T): Promise<[T, number]> {
  const start = performance.now();
  const result = await call();
  return [result, performance.now() - start];
}

async function canvasOf(address: string): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(await (await fetch(address)).blob());
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d", { willReadFrequently: true })?.drawImage(bitmap, 0, 0);
  return canvas;
}
