/** A page that shows the points of a picture. */

import detector from "../../models/fkd-detector-int8.onnx?url";
import model from "../../models/fkdnet.onnx?url";
import { FkdError, load, type LoadedPipeline } from "../src";

function element<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

const status = element("status");
const input = element<HTMLInputElement>("picture");
const canvas = element<HTMLCanvasElement>("canvas");

async function show(pipeline: LoadedPipeline, file: File): Promise<void> {
  const picture = await createImageBitmap(file);
  const faces = await pipeline(picture);
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d");
  context?.drawImage(picture, 0, 0);
  status.textContent = `${faces.length} ${faces.length === 1 ? "face" : "faces"}`;
}

/** Shows an error that the user can solve; others are bugs, and go to the console too. */
function report(error: unknown): void {
  status.textContent = error instanceof Error ? error.message : String(error);
  if (!(error instanceof FkdError)) throw error;
}

async function start(): Promise<void> {
  const pipeline = await load({ model, detector });
  const { provider, reason } = pipeline.runsOn.model;
  status.textContent = `Runs on ${provider}: ${reason}.`;
  input.disabled = false;
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) show(pipeline, file).catch(report);
  });
}

start().catch(report);
