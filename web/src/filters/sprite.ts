/** Draws a layer's picture on a canvas. */

import { clip, type Pixels } from "../geometry/arrays";
import { rasterMesh } from "./raster";
import { Texture, type Level } from "./texture";
import type { MatrixPlacement, MeshPlacement, Placement } from "./warp";

export type Context2d = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** Steps of a gain of 1 that a level is brought to once: too small to be seen. */
const GAIN_STEPS = 64;
/** Forms of levels that are kept: of several faces, some far and some near, each in its light. */
const KEPT_FORMS = 24;

/** A picture that is drawn through matrices and on meshes. */
export class Sprite {
  private readonly texture: Texture;
  private readonly forms = new Map<string, OffscreenCanvas>();

  constructor(picture: Pixels, opacity: number) {
    this.texture = new Texture(picture, opacity);
  }

  /** Draws the picture, its colours times `gain`; the context says how it is blended. */
  draw(context: Context2d, placement: Placement, gain: number): void {
    if ("matrix" in placement) this.drawMatrix(context, placement, gain);
    else this.drawMesh(context, placement, gain);
  }

  private drawMatrix(
    context: Context2d,
    { matrix: [a, b, x, c, d, y] }: MatrixPlacement,
    gain: number,
  ): void {
    const size = Math.sqrt(Math.abs(a * d - b * c));
    if (!(size > 1e-5) || ![a, b, x, c, d, y].every(Number.isFinite)) return;
    const level = this.texture.levelAt(size);
    const { across, left, down, top } = level;
    // From the level's pixels to the frame's; canvases have pixel centres at halves.
    const [e, f, g, h] = [a * across, b * down, c * across, d * down];
    const [u, v] = [a * left + b * top + x, c * left + d * top + y];
    context.setTransform(e, g, f, h, u - (e + f) / 2 + 0.5, v - (g + h) / 2 + 0.5);
    context.imageSmoothingQuality = "medium";
    context.drawImage(this.form(level, gain), 0, 0);
  }

  private drawMesh(context: Context2d, { mesh, points }: MeshPlacement, gain: number): void {
    const { width, height } = context.canvas;
    const patch = rasterMesh(this.texture, mesh, points, width, height);
    if (patch === null) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(toCanvas(patch.pixels, gain), patch.left, patch.top);
  }

  /** A level in the light on a face. */
  private form(level: Level, gain: number): OffscreenCanvas {
    const step = Math.round(gain * GAIN_STEPS);
    const key = `${level.across} ${step}`;
    const known = this.forms.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.forms.keys();
    if (this.forms.size >= KEPT_FORMS && oldest !== undefined) this.forms.delete(oldest);
    const form = toCanvas(level.pixels, step / GAIN_STEPS);
    this.forms.set(key, form);
    return form;
  }
}

/** A canvas with a picture whose colours were multiplied by alpha, times `gain`. */
function toCanvas({ data, width, height }: Pixels, gain: number): OffscreenCanvas {
  const image = new ImageData(width, height);
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (alpha === 0) continue;
    for (let c = 0; c < 3; c++) {
      image.data[at + c] = clip((data[at + c] * gain * 255) / alpha, 0, 255);
    }
    image.data[at + 3] = alpha;
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}
