/** Bytes of an ONNX file with metadata and an empty graph. */
export function onnxBytes(metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(metadata).flatMap(([key, value]) =>
    field(14, [...field(1, utf8(key)), ...field(2, utf8(value))]),
  );
  return Uint8Array.from([...field(7, []), ...entries]);
}

function utf8(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

function field(number: number, content: number[]): number[] {
  return [...varint(8 * number + 2), ...varint(content.length), ...content];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
