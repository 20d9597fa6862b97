/** The page: a camera, video or photo, its faces, and what is drawn on them. */

import {
  load,
  type DrawLayer,
  type Face,
  type LoadedPipeline,
  type Provider,
  type Smoothing,
} from "../src";
import { closeStream, listCameras, looksAtUser, openCamera, openMicrophone } from "./camera";
import { buildChoices, chosen } from "./choices";
import { capitalized, counted, element, setText, showProblem, showStatus } from "./elements";
import { filterOf, PACKS, SCHEME } from "./filter-packs";
import { storeForOffline } from "./offline";
import { Player, type Rates } from "./player";
import { explain, PageError } from "./problems";
import { recordLine } from "./records";
import { Recorder } from "./recorder";
import { fileName, linkTo, megabytes, save } from "./saving";
import { Stage, type Frame } from "./stage";

const DETECTOR = "models/detector.onnx";
const SMOOTHINGS: readonly Smoothing[] = ["off", "low", "medium", "high"];
const LAYERS: readonly DrawLayer[] = ["contours", "points", "box"];
const LAYER_TITLES = { contours: "Contours", points: "Points", box: "Boxes" };
/** WebAssembly at first: for networks of this size it is quick, and half as much to load. */
const PROVIDERS = [
  { value: "wasm", title: "WebAssembly" },
  { value: "webgpu", title: "WebGPU" },
] as const;
/** Longer side of a photo on the page, in pixels: browsers draw no larger ones everywhere. */
const MAX_PHOTO_SIDE = 4096;
/** Milliseconds between two updates of numbers, which could not be read otherwise. */
const NUMBERS_MS = 250;

/** What is shown. */
type Source =
  | { readonly kind: "camera"; readonly name: string; readonly stream: MediaStream }
  | { readonly kind: "video"; readonly name: string; readonly file: File }
  | { readonly kind: "photo"; readonly name: string; readonly picture: ImageBitmap };

class Page {
  private readonly stage = new Stage();
  private readonly player = new Player(this.stage, {
    shown: (frame, faces, rates) => this.frameShown(frame, faces, rates),
    failed: (error) => this.fail(error),
  });
  private pipeline: LoadedPipeline | null = null;
  private model: string | File = "models/landmarks.onnx";
  private source: Source | null = null;
  private recorder: Recorder | null = null;
  private records: string[] = [];
  private numbersShown = 0;
  /** Count what users chose to see, and to run: what is ready too late is dropped. */
  private turn = 0;
  private loads = 0;

  async start(): Promise<void> {
    this.buildControls();
    await this.loadNetworks(this.model, "wasm");
    for (const id of ["camera", "file"]) element<HTMLButtonElement>(id).disabled = false;
    showStatus("waiting", "ready");
    setText("offline", await storeForOffline());
  }

  // Networks

  /** Loads the networks; those that were loaded stay if that fails. */
  private async loadNetworks(model: string | File, provider: Provider): Promise<void> {
    const number = ++this.loads;
    showStatus("waiting", "loading");
    try {
      const pipeline = await load({ model, detector: DETECTOR, provider });
      if (number !== this.loads) return pipeline.close();
      this.pipeline?.close();
      this.pipeline = pipeline;
      this.model = model;
    } finally {
      if (number === this.loads) this.showWhatIsShown();
    }
    const { card, runsOn, threads } = this.pipeline;
    const device =
      { wasm: "WebAssembly", webgpu: "WebGPU" }[runsOn.model.provider] ?? runsOn.model.provider;
    const isolated = crossOriginIsolated
      ? ""
      : " (more from the next visit on, or if the host sends its headers)";
    setText(
      "model",
      `${card.name}: ${card.scheme.count} points, on ${device}, ${counted(threads, "thread")}${isolated}`,
    );
    this.buildFilters(card.scheme.name);
    if (this.source?.kind === "photo") await this.showPhoto(this.source.picture, this.source.name);
    else if (this.source !== null) this.player.use(this.pipeline, this.source.name);
  }

  private async chooseProvider(provider: Provider): Promise<void> {
    try {
      await this.loadNetworks(this.model, provider);
    } catch (error) {
      element("provider").querySelector<HTMLInputElement>("[value=wasm]")!.checked = true;
      throw error;
    }
  }

  // Sources

  private async toggleCamera(): Promise<void> {
    if (this.source?.kind === "camera") await this.close();
    else await this.showCamera(null);
  }

  private async showCamera(id: string | null): Promise<void> {
    const turn = await this.close();
    if (turn !== this.turn) return;
    showStatus("waiting", "asking for the camera");
    const stream = await openCamera(id);
    if (turn !== this.turn) return closeStream(stream);
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => {
      if (this.source?.kind !== "camera" || this.source.stream !== stream) return;
      this.close().catch((error: unknown) => this.fail(error));
      showProblem("The camera is gone: it was unplugged, or taken away. Start it again.");
    });
    this.setMirrored(looksAtUser(stream));
    this.open({ kind: "camera", name: track.label || "camera", stream });
    setText("camera", "Stop camera");
    await this.play(stream);
    const cameras = await listCameras();
    if (turn !== this.turn) return;
    const current = track.getSettings().deviceId;
    const options = cameras.map(
      ({ id: value, title }) => new Option(title, value, false, value === current),
    );
    element("cameras").replaceChildren(...options);
    element("cameras-row").hidden = cameras.length < 2;
    element("camera-options").hidden = false;
  }

  private async showFile(file: File): Promise<void> {
    if (file.name.toLowerCase().endsWith(".onnx")) {
      return this.loadNetworks(file, chosen<Provider>("provider")[0]);
    }
    if (file.type.startsWith("video/")) {
      if ((await this.close()) !== this.turn) return;
      this.setMirrored(false);
      this.open({ kind: "video", name: file.name, file });
      element("pause").hidden = false;
      setText("pause", "Pause");
      return this.play(file);
    }
    const turn = ++this.turn;
    showStatus("waiting", "opening");
    const picture = await readPhoto(file);
    if (turn !== this.turn || (await this.close()) !== this.turn) return;
    this.open({ kind: "photo", name: file.name, picture });
    await this.showPhoto(picture, file.name);
  }

  private async showPhoto(picture: ImageBitmap, name: string): Promise<void> {
    const pipeline = this.pipeline!;
    showStatus("waiting", "searching");
    const start = performance.now();
    let faces: readonly Face[];
    try {
      faces = await pipeline(picture);
    } catch (error) {
      if (this.pipeline !== pipeline) return; // it was closed for another, which searches again
      throw error;
    }
    const ms = performance.now() - start;
    if (this.source?.kind !== "photo" || this.source.picture !== picture) return;
    this.stage.show({ picture, source: name, number: 0, seconds: 0 }, faces, pipeline.card.scheme);
    setText("ms", ms.toFixed(0));
    showStatus("live", counted(faces.length, "face"));
  }

  private async play(source: MediaStream | File): Promise<void> {
    try {
      await this.player.play(source, this.source!.name, this.pipeline!);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  private open(source: Source): void {
    this.source = source;
    setText("source", source.name);
    showStatus("live", source.kind === "photo" ? "searching" : "live");
    for (const id of ["snapshot", "points", "record"])
      element<HTMLButtonElement>(id).disabled = false;
    element<HTMLButtonElement>("record").disabled = source.kind === "photo";
  }

  /** Ends what is shown; returns its turn, which a later choice takes away. */
  private async close(): Promise<number> {
    const turn = ++this.turn;
    const recording = this.stopRecording();
    this.player.stop();
    if (this.source?.kind === "camera") closeStream(this.source.stream);
    this.source = null;
    setText("camera", "Start camera");
    setText("source", "");
    for (const id of ["fps", "ms", "faces"]) setText(id, "–");
    setText("timing", "");
    showStatus("waiting", "ready");
    element<HTMLButtonElement>("record").disabled = true;
    [element("camera-options").hidden, element("pause").hidden] = [true, true];
    await recording;
    return turn;
  }

  private showWhatIsShown(): void {
    if (this.player.playing) showStatus("live", "live");
    else if (this.source?.kind === "photo")
      showStatus("live", counted(this.stage.faces.length, "face"));
    else showStatus("waiting", "ready");
  }

  private setMirrored(mirrored: boolean): void {
    this.player.mirrored = element<HTMLInputElement>("mirrored").checked = mirrored;
  }

  private async togglePause(): Promise<void> {
    await this.player.togglePause();
    setText("pause", this.player.paused ? "Play" : "Pause");
  }

  private frameShown(
    frame: Frame,
    faces: readonly Face[],
    { fps, networks, drawing }: Rates,
  ): void {
    if (this.recorder !== null) this.records.push(recordLine(frame, faces));
    const now = performance.now();
    if (now - this.numbersShown < NUMBERS_MS) return;
    this.numbersShown = now;
    setText("fps", fps.toFixed(1));
    setText("ms", (networks + drawing).toFixed(0));
    setText(
      "timing",
      `${networks.toFixed(1)} ms for the networks, ${drawing.toFixed(1)} ms for drawing`,
    );
  }

  // What is saved

  private async saveSnapshot(): Promise<void> {
    save(await this.stage.snapshot(), fileName("png"));
  }

  private savePoints(): void {
    const { frame, faces } = this.stage;
    if (frame !== null) save(recordLine(frame, faces), fileName("jsonl"));
  }

  private async toggleRecording(): Promise<void> {
    if (this.recorder !== null) return this.stopRecording();
    const turn = this.turn;
    const wanted = element<HTMLInputElement>("sound").checked;
    const sound = wanted ? await openMicrophone() : null;
    if (wanted && sound === null)
      showProblem("The microphone is not allowed or missing: this records without sound.");
    if (turn !== this.turn || this.recorder !== null) return closeStream(sound);
    this.records = [];
    try {
      this.recorder = new Recorder(this.stage.canvas, sound);
    } catch (error) {
      closeStream(sound);
      throw error;
    }
    setText("record", "Stop");
    element("record").ariaPressed = "true";
  }

  /** Ends a recording and offers its files; does nothing without one. */
  private async stopRecording(): Promise<void> {
    const { recorder, records } = this;
    if (recorder === null) return;
    this.recorder = null;
    setText("record", "Record");
    element("record").ariaPressed = "false";
    const { video, extension } = await recorder.stop();
    const item = document.createElement("li");
    for (const [content, ending, noun] of [
      [video, extension, "Video"],
      [new Blob(records), "jsonl", "Points"],
    ] as const) {
      const link = linkTo(content, fileName(ending));
      link.textContent = `${noun}, ${megabytes(content.size)}`;
      item.append(link);
    }
    element("recordings").prepend(item);
    element("recordings").hidden = false;
  }

  // Controls

  private buildControls(): void {
    buildChoices(
      "smoothing",
      { kind: "radio" },
      titled(SMOOTHINGS),
      [this.player.smoothing],
      ([value]) => {
        this.player.smoothing = value;
      },
    );
    const layers = LAYERS.map((value) => ({ value, title: LAYER_TITLES[value] }));
    buildChoices(
      "layers",
      { kind: "checkbox", textFirst: true },
      layers,
      this.stage.layers,
      (values) => {
        this.stage.layers = values;
        this.stage.redraw();
      },
    );
    buildChoices("provider", { kind: "radio" }, PROVIDERS, ["wasm"], ([value]) => {
      this.attempt(() => this.chooseProvider(value));
    });
    this.onClick("camera", () => this.toggleCamera());
    this.onClick("snapshot", () => this.saveSnapshot());
    this.onClick("points", async () => this.savePoints());
    this.onClick("record", () => this.toggleRecording());
    this.onClick("pause", () => this.togglePause());
    this.onClick("wide", toggleFullScreen);
    element("wide").hidden = !document.fullscreenEnabled;
    const cameras = element<HTMLSelectElement>("cameras");
    cameras.addEventListener("change", () => this.attempt(() => this.showCamera(cameras.value)));
    const mirrored = element<HTMLInputElement>("mirrored");
    mirrored.addEventListener("change", () => this.setMirrored(mirrored.checked));
    const input = element<HTMLInputElement>("file");
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      input.value = ""; // so that the same file can be opened again
      if (file) this.attempt(() => this.showFile(file));
    });
    this.acceptDrops();
    window.addEventListener("beforeunload", (event) => {
      if (this.recorder !== null) event.preventDefault(); // the browser asks whether to lose it
    });
  }

  private buildFilters(scheme: string): void {
    const problem =
      scheme === SCHEME ? null : `It needs a model with the landmark scheme ${SCHEME}.`;
    const choices = PACKS.map(({ name, title }) => ({ value: name, title, problem }));
    buildChoices("filters", { kind: "checkbox" }, choices, chosen("filters"), () => {
      this.attempt(() => this.drawFilters());
    });
    if (problem !== null) this.stage.filters = [];
  }

  private async drawFilters(): Promise<void> {
    const group = element("filters");
    const names = chosen("filters");
    group.ariaBusy = "true";
    try {
      const filters = await Promise.all(names.map(filterOf));
      if (String(chosen("filters")) !== String(names)) return; // a later choice draws
      this.stage.filters = filters;
      this.stage.redraw();
      group.ariaBusy = "false";
    } catch (error) {
      group.ariaBusy = "false";
      throw error;
    }
  }

  private acceptDrops(): void {
    const { classList } = element("stage");
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      classList.remove("dropping");
      const files = [...(event.dataTransfer?.files ?? [])];
      if (this.pipeline) this.attempt(() => this.showDropped(files));
    });
  }

  private async showDropped([file, ...others]: File[]): Promise<void> {
    if (file === undefined)
      throw new PageError("Only files can be dropped here: save it, and open the file.");
    await this.showFile(file);
    if (others.length > 0)
      throw new PageError(`Of ${others.length + 1} files, this is ${file.name}.`);
  }

  private onClick(id: string, action: () => Promise<void>): void {
    element(id).addEventListener("click", () => this.attempt(action));
  }

  /** Runs what a user asked for; shows why it failed. */
  private attempt(action: () => Promise<void>): void {
    showProblem("");
    action().catch((error: unknown) => this.fail(error));
  }

  fail(error: unknown): void {
    showProblem(explain(error));
    if (this.pipeline === null) {
      showStatus("lost", "not loaded");
      setText("notice-text", "The networks are not loaded. Load the page again to try once more.");
    } else this.showWhatIsShown();
  }
}

/** A photo, upright as its camera was held, and no larger than browsers draw. */
async function readPhoto(file: File): Promise<ImageBitmap> {
  try {
    const picture = await createImageBitmap(file);
    const scale = MAX_PHOTO_SIDE / Math.max(picture.width, picture.height);
    if (scale >= 1) return picture;
    const resizeWidth = Math.round(scale * picture.width);
    const resizeHeight = Math.round(scale * picture.height);
    return await createImageBitmap(picture, { resizeWidth, resizeHeight, resizeQuality: "high" });
  } catch {
    throw new PageError(
      `“${file.name}” is no photo or video that this browser can read, and no .onnx file.`,
    );
  }
}

async function toggleFullScreen(): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await element("stage").requestFullscreen();
}

function titled<Value extends string>(values: readonly Value[]): { value: Value; title: string }[] {
  return values.map((value) => ({ value, title: capitalized(value) }));
}

const page = new Page();
page.start().catch((error: unknown) => page.fail(error));
