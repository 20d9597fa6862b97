/** Draws a texture on a mesh, pixel by pixel. Matrices are drawn by the canvas itself. */

import { emptyPixels, type Pixels } from "../geometry/arrays";
import { fitAffine } from "../geometry/fitting";
import { orientation, visitPixels, type Corners } from "../geometry/triangulation";
import type { Point, Points } from "../types";
import type { Level, Texture } from "./texture";
import type { Mesh } from "./warp";

/** Twice the smallest area of a triangle that is drawn, in pixels of the frame. */
const MIN_AREA = 0.25;

/** A picture RGBA, colours times alpha, and where it begins in the frame. */
export interface Patch {
  readonly pixels: Pixels;
  readonly left: number;
  readonly top: number;
}

/**
 * A texture with each anchor of the mesh on its point, and affine triangles in between; null if
 * nothing of it is in a frame of this size. Leaves out triangles that are seen from behind.
 */
export function rasterMesh(
  texture: Texture,
  mesh: Mesh,
  points: Points,
  width: number,
  height: number,
): Patch | null {
  if (!points.flat().every(Number.isFinite)) return null;
  const visible: [target: Corners, source: Corners][] = [];
  let [area, sourceArea] = [0, 0];
  for (const [a, b, c] of mesh.triangles) {
    const target: Corners = [points[a], points[b], points[c]];
    const source: Corners = [mesh.anchors[a], mesh.anchors[b], mesh.anchors[c]];
    const size = orientation(...source);
    const drawn = orientation(...target) * Math.sign(size);
    if (!(drawn > MIN_AREA)) continue;
    [area, sourceArea] = [area + drawn, sourceArea + Math.abs(size)];
    visible.push([target, source]);
  }
  const patch = patchAround(
    visible.flatMap(([target]) => target),
    width,
    height,
  );
  if (patch === null) return null;
  const level = texture.levelAt(Math.sqrt(area / sourceArea));
  const filled = new Uint8Array(patch.pixels.width * patch.pixels.height);
  for (const [target, source] of visible) fillTriangle(patch, filled, level, target, source);
  return patch;
}

/** An empty patch around points, within a frame. */
function patchAround(points: Points, width: number, height: number): Patch | null {
  const [xs, ys] = [points.map((point) => point[0]), points.map((point) => point[1])];
  const [left, top] = [
    Math.max(0, Math.floor(Math.min(...xs))),
    Math.max(0, Math.floor(Math.min(...ys))),
  ];
  const right = Math.min(width, Math.ceil(Math.max(...xs)) + 1);
  const bottom = Math.min(height, Math.ceil(Math.max(...ys)) + 1);
  if (!(right > left && bottom > top)) return null;
  return { pixels: emptyPixels(right - left, bottom - top, 4), left, top };
}

/** Fills a triangle, and its rim where `filled` says that no other one is yet. */
function fillTriangle(
  { pixels, left, top }: Patch,
  filled: Uint8Array,
  level: Level,
  target: Corners,
  source: Corners,
): void {
  const [p, q, r] = target.map(([x, y]): Point => [x - left, y - top]);
  const onLevel = source.map(([x, y]): Point => [
    (x - level.left) / level.across,
    (y - level.top) / level.down,
  ]);
  const [a, b, x, c, d, y] = fitAffine([p, q, r], onLevel);
  visitPixels([p, q, r], pixels.width, pixels.height, (u, v, isInside) => {
    const pixel = v * pixels.width + u;
    if (!isInside && filled[pixel]) return;
    sample(pixels.data, 4 * pixel, level.pixels, a * u + b * v + x, c * u + d * v + y);
    filled[pixel] = 1;
  });
}

/** Writes the four bytes of a picture at (x, y), interpolated; nothing is outside of it. */
function sample(
  target: Pixels["data"],
  at: number,
  { data, width, height }: Pixels,
  x: number,
  y: number,
): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [across, down] = [x - left, y - top];
  for (let channel = 0; channel < 4; channel++) {
    let sum = 0;
    for (let corner = 0; corner < 4; corner++) {
      const [right, below] = [corner & 1, corner >> 1];
      const [px, py] = [left + right, top + below];
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
      const weight = (right ? across : 1 - across) * (below ? down : 1 - down);
      sum += weight * data[4 * (py * width + px) + channel];
    }
    target[at + channel] = Math.round(sum);
  }
}
