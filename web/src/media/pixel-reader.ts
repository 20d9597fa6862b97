/** Reads the pixels of pictures, through one canvas. */

import { InvalidImageError } from "../errors";
import type { Pixels } from "../geometry/arrays";

export class PixelReader {
  private canvas: OffscreenCanvas | null = null;

  /** The pixels of a picture as RGBA. */
  read(image: ImageBitmap | VideoFrame | ImageData): Pixels {
    if (image instanceof ImageData) {
      return { data: image.data, width: image.width, height: image.height, channels: 4 };
    }
    const width = "displayWidth" in image ? image.displayWidth : image.width;
    const height = "displayHeight" in image ? image.displayHeight : image.height;
    if (!(width > 0 && height > 0)) throw new InvalidImageError("a picture", "is empty");
    this.canvas ??= new OffscreenCanvas(width, height);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      [this.canvas.width, this.canvas.height] = [width, height];
    }
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new InvalidImageError("a picture", "cannot be drawn: no canvas");
    context.clearRect(0, 0, width, height);
    context.drawImage(image, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    return { data, width, height, channels: 4 };
  }
}
