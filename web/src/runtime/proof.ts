/**
 * The run by which a session on a device is believed: it may compute something else than
 * WebAssembly does, so one answer is compared, as in `fkd_infer/runtime/proof.py`.
 */

import type { InferenceSession, Tensor } from "onnxruntime-web";

/** Largest median difference of points, as a share of the crop's side: half a pixel of 128. */
export const TOLERANCE = 1 / 256;
/** Largest difference of scores. */
export const SCORE_TOLERANCE = 0.05;
/** Side of the detector's picture, in pixels. */
const PICTURE = 256;

/** The outputs of a session by name. */
export type Outputs = InferenceSession.ReturnType;

/** One input, and the comparison of its outputs with those of WebAssembly. */
export interface Proof {
  readonly image: Uint8Array;
  readonly dims: readonly number[];
  /** How an answer differs from what is expected, empty if it does not. */
  difference(answer: Outputs, expected: Outputs): string;
}

/** The proof of a landmark network: a batch of a drawn face. */
export function landmarkProof(size: number, channels: 1 | 3, batch: number): Proof {
  const face = drawnFace(size);
  const image = new Uint8Array(batch * face.length * channels);
  for (let at = 0; at < image.length; at++)
    image[at] = face[Math.floor(at / channels) % face.length];
  return {
    image,
    dims: [batch, size, size, channels],
    difference(answer, expected) {
      const [points, others] = [floats(answer["points"]), floats(expected["points"])];
      const distances = Float64Array.from({ length: others.length / 2 }, (_, row) =>
        Math.hypot(points[2 * row] - others[2 * row], points[2 * row + 1] - others[2 * row + 1]),
      );
      const px = median(distances);
      if (px <= TOLERANCE * size) return ""; // false for NaN
      return `its points are ${px.toPrecision(2)} px from WebAssembly's, in crops of ${size} px`;
    },
  };
}

/** The proof of a detector: a picture with a drawn face. */
export function detectorProof(): Proof {
  const image = new Uint8Array(PICTURE * PICTURE * 3).fill(90);
  const [start, side] = [PICTURE / 4, PICTURE / 2];
  const face = drawnFace(side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = 3 * ((start + y) * PICTURE + start + x);
      image.fill(face[y * side + x], at, at + 3);
    }
  }
  return {
    image,
    dims: [PICTURE, PICTURE, 3],
    difference(answer, expected) {
      const [best, other] = [answer, expected].map((outputs) => largest(floats(outputs["scores"])));
      if (Math.abs(best - other) <= SCORE_TOLERANCE) return "";
      return `its best score is ${best.toFixed(2)} where WebAssembly's is ${other.toFixed(2)}`;
    },
  };
}

/** A gray face (size, size) of ellipses. */
export function drawnFace(size: number): Uint8Array {
  const face = new Uint8Array(size * size).fill(90);
  const ellipse = (cx: number, cy: number, rx: number, ry: number, gray: number): void => {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const [u, v] = [(x / size - cx) / rx, (y / size - cy) / ry];
        if (u ** 2 + v ** 2 < 1) face[y * size + x] = gray;
      }
    }
  };
  ellipse(0.5, 0.55, 0.34, 0.44, 190);
  for (const cx of [0.36, 0.64]) {
    ellipse(cx, 0.42, 0.07, 0.04, 240);
    ellipse(cx, 0.42, 0.03, 0.04, 30);
    ellipse(cx, 0.42 - 0.11, 0.09, 0.025, 60);
  }
  ellipse(0.5, 0.58, 0.055, 0.03, 140);
  ellipse(0.5, 0.75, 0.125, 0.04, 110);
  return face;
}

/** The numbers of an output. */
export function floats(tensor: Tensor): Float32Array {
  return tensor.data as Float32Array;
}

function median(values: Float64Array): number {
  const sorted = values.sort();
  const [low, high] = [Math.floor((sorted.length - 1) / 2), Math.ceil((sorted.length - 1) / 2)];
  return (sorted[low] + sorted[high]) / 2;
}

function largest(values: Float32Array): number {
  return values.reduce((best, value) => Math.max(best, value), 0);
}
