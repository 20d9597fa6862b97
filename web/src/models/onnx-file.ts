/** Reads the metadata of an ONNX file from its bytes. Field numbers are those of onnx.proto. */

import { InvalidModelError } from "../errors";
import { fields, ModelFormatError, text } from "./protobuf";

const GRAPH = 7;
const METADATA = 14;
const [KEY, VALUE] = [1, 2];

/** The metadata of a file, by key; throws InvalidModelError, with `where`, for a damaged one. */
export function readMetadata(data: Uint8Array, where: string): Map<string, string> {
  try {
    return metadataOf(data);
  } catch (error) {
    if (!(error instanceof ModelFormatError)) throw error;
    throw new InvalidModelError(where, error.message, "use a file as fkd-export wrote it");
  }
}

function metadataOf(data: Uint8Array): Map<string, string> {
  if (data.length === 0) throw new ModelFormatError("the file is empty");
  if (data[0] === "<".charCodeAt(0)) throw new ModelFormatError("its address leads to a web page");
  const metadata = new Map<string, string>();
  let graphs = 0;
  for (const field of fields(data, 0, data.length)) {
    if (field.number === GRAPH) graphs++;
    if (field.number !== METADATA) continue;
    const entry = new Map<number, string>();
    for (const part of fields(data, field.start, field.end)) {
      entry.set(part.number, text(data, part));
    }
    const key = entry.get(KEY) ?? "";
    if (metadata.has(key)) throw new ModelFormatError(`its metadata has '${key}' twice`);
    metadata.set(key, entry.get(VALUE) ?? "");
  }
  if (graphs !== 1) throw new ModelFormatError(graphs ? "it has two graphs" : "it is no ONNX file");
  return metadata;
}
