/** Filters: pictures that follow faces, drawn on a canvas, as `fkd_infer/filters/filter.py`. */

import type { Blend } from "../choices";
import { FilterError } from "../errors";
import { clip, luma, type Pixels } from "../geometry/arrays";
import { pointsBox } from "../geometry/boxes";
import { fitPose, type HeadPose } from "../landmarks/head-model";
import type { LandmarkScheme } from "../landmarks/schemes";
import type { Face, Points } from "../types";
import type { FilterLayer } from "./layer";
import { loadPack, withPictures, type Pack } from "./pack";
import { Sprite, type Context2d } from "./sprite";
import { createWarp, type Warp } from "./warp";

/** Luma of a face's bright parts in daylight, for which pictures are drawn. */
const DAYLIGHT_LUMA = 165;
const [MIN_GAIN, MAX_GAIN] = [0.4, 1.08];
/** Rows and columns of a face that are sampled for its brightness. */
const SAMPLES = 48;
const [UPPER_LIP, LOWER_LIP] = [62, 66];
/** Distance of the inner lips, in units of the head, at which a mouth opens and is open. */
const [OPENS_AT, OPEN_AT] = [0.16, 0.2];
/** Largest coordinate with which drawing computes exactly. */
const MAX_DRAWABLE = 2 ** 24;

export const COMPOSITES: Readonly<Record<Blend, GlobalCompositeOperation>> = {
  normal: "source-over",
  multiply: "multiply",
  screen: "screen",
};

/** A layer that is ready to be drawn. */
export interface WarpedLayer {
  readonly layer: FilterLayer;
  readonly warp: Warp;
  readonly picture: Pixels;
}

/** Layers that follow faces, in the order in which they are drawn. */
export class Filter {
  private readonly sprites: readonly Sprite[];

  private constructor(
    readonly name: string,
    readonly title: string,
    readonly scheme: string,
    readonly layers: readonly WarpedLayer[],
  ) {
    this.sprites = layers.map(({ layer, picture }) => new Sprite(picture, layer.opacity));
  }

  /** The filter of a pack; throws FilterError for anchors that cannot be on a head. */
  static of(pack: Pack, pictures: ReadonlyMap<string, Pixels>, where: string): Filter {
    const layers = withPictures(pack, pictures, where).map(([layer, picture]) => {
      try {
        return { layer, warp: createWarp(layer, picture), picture };
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new FilterError(where, error.message);
      }
    });
    layers.sort((one, two) => one.layer.z - two.layer.z);
    return new Filter(pack.name, pack.title, pack.scheme, layers);
  }

  /** Throws FilterError for a network whose landmark scheme the filter is not made for. */
  checkScheme(scheme: LandmarkScheme): void {
    if (scheme.name === this.scheme) return;
    const problem = `it needs the scheme '${this.scheme}', but the model has '${scheme.name}'`;
    throw new FilterError(`filter '${this.name}'`, problem, "choose another model, or no filter");
  }

  /** Draws onto each face of the picture on a canvas, the farthest face first. */
  draw(context: Context2d, faces: readonly Face[]): void {
    const posed = faces
      .map(({ points }) => ({ points, pose: isDrawable(points) ? fitPose(points) : null }))
      .filter((face): face is { points: Points; pose: HeadPose } => face.pose !== null)
      .sort((one, two) => one.pose.scale - two.pose.scale)
      .map((face) => ({ ...face, gain: brightnessGain(sampleLuma(context, face.points)) }));
    for (const { points, pose, gain } of posed) {
      this.layers.forEach(({ layer, warp }, number) => {
        const strength = layer.when === "mouth_open" ? mouthOpenness(points, pose) : 1;
        const placement = strength > 0 ? warp(points, pose) : null;
        if (placement === null) return;
        // A multiplied picture is lit by the face's own light.
        const isLit = layer.brightness && layer.blend !== "multiply";
        context.save();
        context.globalAlpha = strength;
        context.globalCompositeOperation = COMPOSITES[layer.blend];
        this.sprites[number].draw(context, placement, isLit ? gain : 1);
        context.restore();
      });
    }
  }
}

/** Loads a filter from the address of its filter.json; `address` finds the files beside it. */
export async function loadFilter(
  packFile: string,
  address?: (file: string) => string,
): Promise<Filter> {
  const [pack, pictures] = await loadPack(packFile, address);
  return Filter.of(pack, pictures, packFile);
}

/** The factor that mildly matches a picture's colours to the light on a face, from its luma. */
export function brightnessGain(samples: readonly number[]): number {
  if (samples.length === 0) return 1;
  const sorted = [...samples].sort((one, two) => one - two);
  const at = 0.9 * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  const bright = low + (high - low) * (at - Math.floor(at));
  return clip((bright / DAYLIGHT_LUMA) ** 0.6, MIN_GAIN, MAX_GAIN);
}

/** How far a mouth is open, from 0 to 1. */
export function mouthOpenness(points: Points, { scale }: HeadPose): number {
  const [upper, lower] = [points[UPPER_LIP], points[LOWER_LIP]];
  const gap = Math.hypot(upper[0] - lower[0], upper[1] - lower[1]) / scale;
  return clip((gap - OPENS_AT) / (OPEN_AT - OPENS_AT), 0, 1);
}

/** The luma of evenly spaced pixels around a face. */
function sampleLuma(context: Context2d, points: Points): number[] {
  const { width, height } = context.canvas;
  const edges = pointsBox(points);
  const [x0, x1] = [edges[0], edges[2]].map((x) => Math.trunc(clip(x, 0, width - 1)));
  const [y0, y1] = [edges[1], edges[3]].map((y) => Math.trunc(clip(y, 0, height - 1)));
  const [columns, rows] = [x1 + 1 - x0, y1 + 1 - y0];
  const small = new OffscreenCanvas(Math.min(columns, SAMPLES), Math.min(rows, SAMPLES));
  const sampled = small.getContext("2d", { willReadFrequently: true });
  if (sampled === null) return [];
  sampled.imageSmoothingEnabled = false;
  sampled.drawImage(context.canvas, x0, y0, columns, rows, 0, 0, small.width, small.height);
  const { data } = sampled.getImageData(0, 0, small.width, small.height);
  return Array.from({ length: small.width * small.height }, (_, pixel) =>
    luma(data[4 * pixel + 2], data[4 * pixel + 1], data[4 * pixel]),
  );
}

function isDrawable(points: Points): boolean {
  return points.flat().every((value) => Math.abs(value) < MAX_DRAWABLE);
}
