/** A page that shows a picture's points, or a filter on its faces. */

import detector from "../../models/fkd-detector-int8.onnx?url";
import model from "../../models/fkdnet.onnx?url";
import { Annotator, FkdError, load, type Face, type LoadedPipeline } from "../src";
import { FILTERS, loadPackFilter } from "./packs";

function element<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

const status = element("status");
const input = element<HTMLInputElement>("picture");
const select = element<HTMLSelectElement>("filter");
const canvas = element<HTMLCanvasElement>("canvas");

/** Draws faces on a canvas. */
type Drawing = (context: CanvasRenderingContext2D, faces: readonly Face[]) => void;

/** Of the pictures that were asked for, only the last one is shown. */
let asked = 0;

async function show(pipeline: LoadedPipeline, file: File): Promise<void> {
  const number = ++asked;
  status.textContent = "Searching …";
  const [picture, draw] = await Promise.all([createImageBitmap(file), chosenDrawing(pipeline)]);
  const faces = await pipeline(picture);
  if (number !== asked) return;
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser has no canvas");
  context.drawImage(picture, 0, 0);
  draw(context, faces);
  status.textContent = `${faces.length} ${faces.length === 1 ? "face" : "faces"}`;
}

async function chosenDrawing({ card }: LoadedPipeline): Promise<Drawing> {
  if (select.value === "") {
    const annotator = new Annotator(card.scheme);
    return (context, faces) => annotator.draw(context, faces);
  }
  const filter = await loadPackFilter(select.value);
  filter.checkScheme(card.scheme);
  return (context, faces) => filter.draw(context, faces);
}

/** Shows an error that the user can solve; others are bugs, and go to the console too. */
function report(error: unknown): void {
  status.textContent = error instanceof Error ? error.message : String(error);
  if (!(error instanceof FkdError)) throw error;
}

async function start(): Promise<void> {
  select.append(...FILTERS.map((name) => new Option(name)));
  const pipeline = await load({ model, detector });
  const { provider, reason } = pipeline.runsOn.model;
  status.textContent = `Runs on ${provider}: ${reason}.`;
  const update = (): void => {
    const file = input.files?.[0];
    if (file) show(pipeline, file).catch(report);
  };
  input.addEventListener("change", update);
  select.addEventListener("change", update);
  input.disabled = false;
}

start().catch(report);
