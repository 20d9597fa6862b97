import type { InferenceSession } from "onnxruntime-web";
import { expect, test } from "vitest";
import { InvalidModelError, ProviderError } from "../src/errors";
import {
  detectorProof,
  drawnFace,
  landmarkProof,
  type Outputs,
  type Proof,
} from "../src/runtime/proof";
import { webgpuProblem } from "../src/runtime/webgpu";
import { startSession, type OnnxRuntime } from "../src/runtime/start";
import { table } from "./fixtures";

type Answer = (provider: string) => Outputs;

/** Stands in for ONNX Runtime: its sessions answer as told, and it notes which were released. */
class FakeRuntime implements OnnxRuntime {
  readonly released: string[] = [];
  readonly Tensor = class {} as unknown as OnnxRuntime["Tensor"];
  readonly InferenceSession = {
    create: async (_: Uint8Array, options: InferenceSession.SessionOptions) => {
      const [provider] = options.executionProviders as string[];
      expect(options.executionProviders).toHaveLength(1);
      const session = {
        run: async () => this.answer(provider),
        release: async () => void this.released.push(provider),
      };
      return session as unknown as InferenceSession;
    },
  };

  constructor(private readonly answer: Answer) {}
}

function output(name: string, values: number[]): Outputs {
  return { [name]: { data: Float32Array.from(values) } } as unknown as Outputs;
}

/** Points on WebGPU that are off by so many pixels. */
function pointsOff(px: number): Answer {
  return (provider) =>
    output(
      "points",
      [1, 2, 3, provider === "webgpu" ? 4 + px : 4, 5, 6].map((value) =>
        provider === "webgpu" ? value + px : value,
      ),
    );
}

const PROOF: Proof = landmarkProof(128, 1, 1);

function start(
  ort: OnnxRuntime,
  provider: "auto" | "wasm" | "webgpu",
  noWebgpu: string | null = null,
) {
  return startSession({ ort, noWebgpu }, new Uint8Array(), "net.onnx", provider, PROOF);
}

test("WebGPU is used where it answers as WebAssembly does", async () => {
  const ort = new FakeRuntime(pointsOff(0.1));
  const started = await start(ort, "auto");
  expect(started).toMatchObject({ provider: "webgpu", reason: "it answers as WebAssembly does" });
  expect(ort.released).toEqual(["wasm"]);
});

test.each([1, NaN])("WebGPU that is off by %d px is not used", async (px) => {
  const ort = new FakeRuntime(pointsOff(px));
  const started = await start(ort, "auto");
  expect(started.provider).toBe("wasm");
  expect(started.reason).toMatch(/^WebGPU was tried: its points are \S+ px from WebAssembly's/);
  expect(ort.released).toEqual(["webgpu"]);
  await expect(start(ort, "webgpu")).rejects.toThrow(ProviderError);
});

test("WebGPU that fails is not used", async () => {
  const ort = new FakeRuntime((provider) => {
    if (provider === "webgpu") throw new Error("device\nlost");
    return output("points", [1, 2]);
  });
  expect((await start(ort, "auto")).reason).toBe(
    "WebGPU was tried: model 'net.onnx': failed for an input 1 × 128 × 128 × 1: device lost",
  );
});

test("without WebGPU, the reason is told", async () => {
  const ort = new FakeRuntime(pointsOff(0));
  const started = await start(ort, "auto", "this browser has no WebGPU");
  expect(started).toMatchObject({ provider: "wasm", reason: "this browser has no WebGPU" });
  await expect(start(ort, "webgpu", "this browser has no WebGPU")).rejects.toThrow(
    "provider 'webgpu': cannot be used: this browser has no WebGPU; choose the provider 'auto'",
  );
});

test.each([
  [undefined, "this browser has no WebGPU"],
  [null, "WebGPU has no adapter here"],
  [{ info: { isFallbackAdapter: true } }, "WebGPU has only the CPU here"],
  [{}, null],
])("of the adapter %j, it is told whether it can be used", async (adapter, problem) => {
  const gpu = adapter === undefined ? adapter : { requestAdapter: async () => adapter };
  expect(await webgpuProblem(gpu)).toBe(problem);
});

test("a file that does not load is named", async () => {
  const failing = {
    ...new FakeRuntime(pointsOff(0)),
    InferenceSession: { create: () => Promise.reject(new Error("no graph")) },
  };
  const opened = start(failing, "auto");
  await expect(opened).rejects.toThrow(InvalidModelError);
  await expect(opened).rejects.toThrow("net.onnx: ONNX Runtime does not load it: no graph");
});

test("a detector proves itself by its best score", () => {
  const [low, high] = [output("scores", [0.1, 0.6]), output("scores", [0.9])];
  expect(detectorProof().difference(low, low)).toBe("");
  expect(detectorProof().difference(high, low)).toBe(
    "its best score is 0.90 where WebAssembly's is 0.60",
  );
});

test("the drawn face is that of Python", () => {
  const face = table<{ drawn_face: number[][] }>("constants").drawn_face;
  expect([...drawnFace(64)]).toEqual(face.flat());
});
