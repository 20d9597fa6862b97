/** Reads the wire format of protocol buffers from untrusted bytes. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const MAX_VARINT_BYTES = 10;

/** A model's bytes are not as they must be; the text says what is wrong. */
export class ModelFormatError extends Error {}

/** A field with bytes, and where they are. */
export interface Field {
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

/** Yields the fields of the message from `start` to `end` that have bytes; skips numbers. */
export function* fields(data: Uint8Array, start: number, end: number): Generator<Field> {
  let at = start;
  while (at < end) {
    const [tag, content] = varint(data, at, end);
    const [number, wireType] = [Math.floor(tag / 8), tag % 8];
    if (number === 0) throw new ModelFormatError("it has a field without a number");
    at = content;
    if (wireType === VARINT) {
      at = varint(data, at, end)[1];
      continue;
    }
    let size: number;
    if (wireType === BYTES) [size, at] = varint(data, at, end);
    else if (wireType === FIXED64) size = 8;
    else if (wireType === FIXED32) size = 4;
    else throw new ModelFormatError(`it has a field of the unknown wire type ${wireType}`);
    if (size > end - at) throw new ModelFormatError("it is truncated, or no ONNX file at all");
    if (wireType === BYTES) yield { number, start: at, end: at + size };
    at += size;
  }
}

/** The text of a field. */
export function text(data: Uint8Array, { start, end }: Field): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data.subarray(start, end));
  } catch {
    throw new ModelFormatError("it has text that is not UTF-8");
  }
}

/** A number, exact up to 2^53, and where the next byte is. */
function varint(data: Uint8Array, start: number, end: number): [value: number, at: number] {
  let [value, scale] = [0, 1];
  for (let at = start; at < Math.min(end, start + MAX_VARINT_BYTES); at++) {
    value += (data[at] & 127) * scale;
    if (data[at] < 128) return [value, at + 1];
    scale *= 128;
  }
  throw new ModelFormatError("it is truncated, or no ONNX file at all");
}
