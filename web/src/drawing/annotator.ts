/** Draws faces on a canvas, as `fkd_infer/drawing/annotator.py`; lines scale with the face. */

import type { DrawLayer } from "../choices";
import { clip } from "../geometry/arrays";
import { pointsBox } from "../geometry/boxes";
import { lines, type LandmarkScheme } from "../landmarks/schemes";
import type { Face, Points } from "../types";

type Context2d = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
type Colour = readonly [red: number, green: number, blue: number];

/** Colours of tracked faces by id, which people of any colour vision can tell apart. */
export const PALETTE: readonly Colour[] = [
  [86, 180, 233],
  [230, 159, 0],
  [240, 228, 66],
  [204, 121, 167],
  [0, 158, 115],
  [213, 94, 0],
];
const POINT: Colour = [120, 255, 80];
const LINE: Colour = [60, 190, 255];
const BOX: Colour = [255, 200, 60];
const DARK = "rgb(0 0 0)";
/** Pixels of a face from which its lines have a dark outline, and up to which strokes grow. */
const [MIN_OUTLINED_EXTENT, MAX_EXTENT] = [120, 20_000];

/** Discs of fewer points are larger, of equal area in all, up to this factor. */
const [IBUG68_COUNT, MAX_SPARSE] = [68, 4];

/** Draws `layers` of each face, in this order. */
export class Annotator {
  constructor(
    private readonly scheme: LandmarkScheme,
    private readonly layers: readonly DrawLayer[] = ["contours", "points"],
  ) {}

  /** Draws faces over what is on a canvas. */
  draw(context: Context2d, faces: readonly Face[]): void {
    context.save();
    context.setTransform(1, 0, 0, 1, 0.5, 0.5); // canvases have pixel centres at halves
    context.lineJoin = context.lineCap = "round";
    for (const face of faces) {
      for (const layer of this.layers) {
        if (layer === "contours") this.drawContours(context, face);
        else if (layer === "points") drawPoints(context, face);
        else drawBox(context, face);
      }
    }
    context.restore();
  }

  private drawContours(context: Context2d, face: Face): void {
    const extent = extentOf(face.points);
    const width = Math.max(1, Math.round(extent / 240));
    context.beginPath();
    for (const [group, closed] of lines(this.scheme)) {
      group.forEach((point, number) => {
        const [x, y] = face.points[point];
        if (number === 0) context.moveTo(x, y);
        else context.lineTo(x, y);
      });
      if (closed) context.closePath();
    }
    if (extent >= MIN_OUTLINED_EXTENT) stroke(context, DARK, width + 1 + Math.floor(width / 3));
    stroke(context, css(colourOf(face, LINE)), width);
  }
}

function drawPoints(context: Context2d, face: Face): void {
  const sparse = Math.min(MAX_SPARSE, Math.sqrt(IBUG68_COUNT / face.points.length));
  const radius = Math.max(0.9, (extentOf(face.points) / 110) * sparse);
  const colour = colourOf(face, POINT);
  // Those of a tracked face are lighter than the lines below them.
  const [red, green, blue] =
    face.id === null ? colour : colour.map((c) => Math.floor((255 + c) / 2));
  if (radius > 1.3) fillDiscs(context, face.points, radius * 1.35, DARK);
  fillDiscs(context, face.points, radius, css([red, green, blue]));
}

function fillDiscs(context: Context2d, points: Points, radius: number, colour: string): void {
  context.fillStyle = colour;
  for (const [x, y] of points) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}

function drawBox(context: Context2d, face: Face): void {
  const width = Math.max(1, Math.round(extentOf(face.points) / 120));
  const [left, top, right, bottom] = face.box;
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  stroke(context, DARK, width + 1 + Math.floor(width / 2));
  stroke(context, css(colourOf(face, BOX)), width);
}

function stroke(context: Context2d, colour: string, width: number): void {
  [context.strokeStyle, context.lineWidth] = [colour, width];
  context.stroke();
}

function colourOf({ id }: Face, colour: Colour): Colour {
  return id === null ? colour : PALETTE[(id - 1) % PALETTE.length];
}

function css([red, green, blue]: Colour): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** The longer side of the points' box, in pixels. */
function extentOf(points: Points): number {
  const [left, top, right, bottom] = pointsBox(points);
  return clip(Math.max(right - left, bottom - top), 0, MAX_EXTENT);
}
