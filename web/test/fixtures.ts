/** What Python computed: `python -m tools.web_fixtures web/fixtures` writes it. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web";
import type { Pixels } from "../src/geometry/arrays";
import type { Installation } from "../src/runtime/start";
import type { ModelFile } from "../src/pipeline";
import type { Points } from "../src/types";

const WEB = join(import.meta.dirname, "..");
const FOLDER = process.env["FKD_WEB_FIXTURES"] ?? join(WEB, "fixtures");
if (!existsSync(FOLDER)) {
  throw new Error("write the fixtures with: python -m tools.web_fixtures web/fixtures");
}

ort.env.wasm.numThreads = 1;

/** ONNX Runtime in Node, which has no WebGPU. */
export const INSTALLATION: Installation = { ort, noWebgpu: "Node has no WebGPU" };

export interface PictureFile {
  readonly width: number;
  readonly height: number;
  readonly file: string;
}

export function table<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8")) as T;
}

export function bytes(file: string): Uint8Array {
  return new Uint8Array(readFileSync(join(FOLDER, file)));
}

export function picture({ width, height, file }: PictureFile): Pixels {
  return { data: bytes(file), width, height, channels: 4 };
}

/** A shipped network. */
export function shipped(name: string): ModelFile {
  const file = `${name}.onnx`;
  return { data: new Uint8Array(readFileSync(join(WEB, "..", "models", file))), name: file };
}

/** Largest difference of numbers. */
export function difference(one: ArrayLike<number>, two: ArrayLike<number>): number {
  if (one.length !== two.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < one.length; i++) largest = Math.max(largest, Math.abs(one[i] - two[i]));
  return largest;
}

/** Distances of each point. */
export function distances(one: Points, two: Points): number[] {
  return one.map(([x, y], i) => Math.hypot(x - two[i][0], y - two[i][1]));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Prints a measurement if FKD_WEB_REPORT is set: docs/how-to/web.md quotes them. */
export function report(line: string): void {
  if (process.env["FKD_WEB_REPORT"]) console.log(line);
}
