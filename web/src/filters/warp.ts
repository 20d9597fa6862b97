/**
 * How pictures follow faces, as the warps of `fkd_infer/filters/warp*.py`. A warp says where a
 * picture lies in a frame; it draws nothing.
 */

import type { Pixels } from "../geometry/arrays";
import { fitAffine, fitSimilarity } from "../geometry/fitting";
import { delaunay, visitPixels, type Corners, type Triangle } from "../geometry/triangulation";
import { invert, type Matrix } from "../geometry/transforms";
import { dot, MEAN_HEAD, type HeadPose, type Vector } from "../landmarks/head-model";
import type { Point, Points } from "../types";
import type { FilterLayer } from "./layer";

/** Smallest extent of the anchors' points on the mean head, in its units. */
const MIN_EXTENT = 0.02;
/** Smallest part of that extent that the anchors' pixels keep when fitted to the head. */
const MIN_FIT = 0.05;

/** Triangles between anchors at pixels of a picture. */
export interface Mesh {
  readonly anchors: Points;
  readonly triangles: readonly Triangle[];
}

/** A picture that lies in the frame through a matrix from its pixels. */
export interface MatrixPlacement {
  readonly matrix: Matrix;
}

/** A picture whose mesh has its anchors on these points of the frame. */
export interface MeshPlacement {
  readonly mesh: Mesh;
  readonly points: Points;
}

export type Placement = MatrixPlacement | MeshPlacement;

/** Places a picture on a face; null if it is seen from behind. */
export type Warp = (points: Points, pose: HeadPose) => Placement | null;

/** The warp of a layer for its picture, RGBA; a RangeError says that anchors cannot place it. */
export function createWarp(layer: FilterLayer, picture: Pixels): Warp {
  const pixels = adjustedPixels(layer);
  const onFace = (points: Points): Points => anchorsOf(layer, points);
  switch (layer.warp) {
    case "head":
      return headWarp(layer, pixels, picture.width);
    case "similarity":
      return (points) => ({ matrix: fitSimilarity(pixels, onFace(points)) });
    case "affine":
      return (points) => ({ matrix: fitAffine(pixels, onFace(points)) });
    case "piecewise": {
      const mesh = meshOver(picture, pixels);
      return (points) => ({ mesh, points: onFace(points) });
    }
  }
}

/** The anchors' places: each the mean of its points. */
function anchorsOf(layer: FilterLayer, points: Points): Points {
  return layer.anchors.map((anchor): Point => {
    let [x, y] = [0, 0];
    for (const point of anchor.points) {
      x += points[point][0] / anchor.points.length;
      y += points[point][1] / anchor.points.length;
    }
    return [x, y];
  });
}

/** The anchors' pixels, moved so that the picture has the layer's offset and scale. */
function adjustedPixels(layer: FilterLayer): Points {
  const count = layer.anchors.length;
  const mean = (axis: 0 | 1): number =>
    layer.anchors.reduce((sum, { at }) => sum + at[axis], 0) / count;
  const [x, y] = [mean(0), mean(1)];
  const pixels = layer.anchors.map(({ at: [u, v] }): Point => [
    x + (u - x) / layer.scale,
    y + (v - y) / layer.scale,
  ]);
  const onHead = anchorsOf(
    layer,
    MEAN_HEAD.map(([u, v]): Point => [u, v]),
  );
  const toHead = fitSimilarity(pixels, onHead);
  const [a, b, , c, d] = toHead;
  const fitted = pixels.map(([u, v]): Point => [a * u + b * v, c * u + d * v]);
  if (extentOf(onHead) < MIN_EXTENT || extentOf(fitted) < MIN_FIT * extentOf(onHead)) {
    throw new RangeError(
      `the anchors of '${layer.image}' lie in one place of a face, or so unlike their points ` +
        "there that they do not place the picture",
    );
  }
  const [e, f, , g, h] = invert(toHead);
  const [right, down] = layer.offset;
  return pixels.map(([u, v]): Point => [u - (e * right + f * down), v - (g * right + h * down)]);
}

function extentOf(points: Points): number {
  const range = (axis: 0 | 1): number => {
    const values = points.map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  };
  return Math.max(range(0), range(1));
}

/**
 * A plane that is fixed to the head and carries a picture. On the head, `across` and `down` lead to
 * the next pixels, and `corner` from the mean of the anchors to the first one.
 */
function headWarp(layer: FilterLayer, pixels: Points, width: number): Warp {
  const angle = (layer.turn * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const onHead = layer.anchors.map(({ points }): Vector => {
    const mean = (axis: 0 | 1 | 2): number =>
      points.reduce((sum, point) => sum + MEAN_HEAD[point][axis], 0) / points.length;
    return [mean(0), mean(1), mean(2)];
  });
  const inPlane = onHead.map(([x, y, z]): Point => [x * cos + z * sin, y]);
  const [a, b, left, c, d, top] = fitSimilarity(pixels, inPlane);
  const count = onHead.length;
  const meanOf = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / count;
  const distance = meanOf(onHead.map(([x, , z]) => z * cos - x * sin)) + layer.depth;
  const middle = [0, 1, 2].map((axis) => meanOf(onHead.map((point) => point[axis])));
  const across: Vector = [a * cos, c, a * sin];
  const down: Vector = [b * cos, d, b * sin];
  const corner: Vector = [
    left * cos - distance * sin - middle[0],
    top - middle[1],
    left * sin + distance * cos - middle[2],
  ];
  const length = Math.sqrt(dot(across, across));
  return (points, { rotation, scale }) => {
    const anchors = anchorsOf(layer, points);
    const [x, y] = [meanOf(anchors.map((at) => at[0])), meanOf(anchors.map((at) => at[1]))];
    let [m00, m01, m02] = [across, down, corner].map((axis) => dot(rotation[0], axis));
    let [m10, m11, m12] = [across, down, corner].map((axis) => dot(rotation[1], axis));
    if (layer.round) {
      // Turns about its middle column.
      const wide = (scale * length) / Math.max(1e-9, Math.hypot(m01, m11));
      const half = (width - 1) / 2;
      [m02, m12] = [m02 + half * (m00 - wide * m11), m12 + half * (m10 + wide * m01)];
      [m00, m10] = [wide * m11, -wide * m01];
    }
    if (m00 * m11 - m10 * m01 <= 0) return null;
    return { matrix: [m00, m01, x + m02, m10, m11, y + m12] };
  };
}

/** The Delaunay triangulation without the triangles in which the picture is transparent. */
function meshOver(picture: Pixels, anchors: Points): Mesh {
  const triangles = delaunay(anchors).filter((corners) => {
    const [a, b, c] = corners.map((corner): Point => {
      const [x, y] = anchors[corner];
      return [Math.round(x), Math.round(y)];
    });
    return isVisible(picture, [a, b, c]);
  });
  return { anchors, triangles };
}

/** Whether any pixel of a picture in a triangle is not transparent. */
function isVisible({ data, width, height }: Pixels, corners: Corners): boolean {
  let visible = false;
  visitPixels(corners, width, height, (x, y) => {
    visible ||= data[4 * (y * width + x) + 3] > 0;
  });
  return visible;
}
