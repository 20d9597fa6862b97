/** Shows frames with what is drawn on their faces. */

import { Annotator, type DrawLayer, type Face, type Filter, type LandmarkScheme } from "../src";
import { counted, element, setText } from "./elements";

/** A frame as it is shown, with where it is from. */
export interface Frame {
  readonly picture: HTMLCanvasElement | ImageBitmap;
  readonly source: string;
  readonly number: number;
  /** Seconds after the start of the video; 0 for photos. */
  readonly seconds: number;
}

export class Stage {
  filters: readonly Filter[] = [];
  layers: readonly DrawLayer[] = ["contours", "points"];
  readonly canvas = element<HTMLCanvasElement>("canvas");
  private readonly context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
  private shown: { frame: Frame; faces: readonly Face[]; scheme: LandmarkScheme } | null = null;

  get frame(): Frame | null {
    return this.shown?.frame ?? null;
  }

  get faces(): readonly Face[] {
    return this.shown?.faces ?? [];
  }

  show(frame: Frame, faces: readonly Face[], scheme: LandmarkScheme): void {
    const { width, height } = frame.picture;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      [this.canvas.width, this.canvas.height] = [width, height];
      setText("size", `${width} × ${height}`);
    }
    this.shown = { frame, faces, scheme };
    this.redraw();
    [this.canvas.hidden, element("notice").hidden] = [false, true];
    setText("faces", String(faces.length));
    const label = `${frame.source}, ${counted(faces.length, "face")}`;
    if (this.canvas.ariaLabel !== label) this.canvas.ariaLabel = label;
  }

  /** Draws the frame again, after filters or layers have changed. */
  redraw(): void {
    if (this.shown === null) return;
    const { frame, faces, scheme } = this.shown;
    this.context.drawImage(frame.picture, 0, 0);
    for (const filter of this.filters) filter.draw(this.context, faces);
    new Annotator(scheme, this.layers).draw(this.context, faces);
  }

  /** The picture as it is shown. */
  async snapshot(): Promise<Blob> {
    return new Promise((resolve, reject) => {
      this.canvas.toBlob(
        (blob) => (blob ? resolve(blob) : reject(new Error("no picture"))),
        "image/png",
      );
    });
  }
}
