/**
 * Starts sessions of ONNX Runtime on the provider that was asked for, one provider at a time: a
 * list of them would fall back in silence.
 */

import type { InferenceSession, Tensor } from "onnxruntime-web";
import type { Provider, ProviderName } from "../choices";
import {
  DownloadError,
  InferenceError,
  InvalidModelError,
  oneLine,
  ProviderError,
} from "../errors";
import { CONNECTION } from "../system/download";
import type { Outputs, Proof } from "./proof";

/** Keeps ONNX Runtime's own lines off the console: its errors are in what it throws. */
const QUIET = { logSeverityLevel: 4 } as const;

/** What ONNX Runtime says where its WebAssembly was not loaded. */
const NO_BACKEND = "no available backend found";

/** What is used of the package onnxruntime-web. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: "uint8", data: Uint8Array, dims: readonly number[]) => Tensor;
}

/** ONNX Runtime as it can be used here; `noWebgpu` says why there is no WebGPU, if so. */
export interface Installation {
  readonly ort: OnnxRuntime;
  readonly noWebgpu: string | null;
}

/** A session, what it runs on, and why. */
export interface Started {
  readonly session: InferenceSession;
  readonly provider: ProviderName;
  readonly reason: string;
}

/** Runs a session on a picture or a batch; throws InferenceError with the network's name. */
export async function run(
  ort: OnnxRuntime,
  session: InferenceSession,
  image: Uint8Array,
  dims: readonly number[],
  name: string,
): Promise<Outputs> {
  try {
    return await session.run({ image: new ort.Tensor("uint8", image, dims) }, QUIET);
  } catch (error) {
    throw new InferenceError(
      `model '${name}'`,
      `failed for an input ${dims.join(" × ")}: ${oneLine(error)}`,
    );
  }
}

/**
 * Starts a session on a provider. WebGPU is used where it answers the proof as WebAssembly does;
 * elsewhere "auto" runs on WebAssembly, and "webgpu" throws ProviderError. A file that WebAssembly
 * cannot run throws InvalidModelError with `where`.
 */
export async function startSession(
  { ort, noWebgpu }: Installation,
  model: Uint8Array,
  where: string,
  provider: Provider,
  proof: Proof,
): Promise<Started> {
  const wasm = await createOnWasm(ort, model, where);
  const expected = await firstAnswer(ort, wasm, where, proof);
  if (provider === "wasm") return { session: wasm, provider: "wasm", reason: "it was asked for" };
  const attempt = noWebgpu ?? (await tryWebgpu(ort, model, expected, where, proof));
  if (typeof attempt === "string") {
    if (provider === "auto") return { session: wasm, provider: "wasm", reason: attempt };
    await wasm.release();
    const fix = "choose the provider 'auto' or 'wasm'";
    throw new ProviderError("provider 'webgpu'", `cannot be used: ${attempt}`, fix);
  }
  await wasm.release();
  return { session: attempt, provider: "webgpu", reason: "it answers as WebAssembly does" };
}

async function createOnWasm(
  ort: OnnxRuntime,
  model: Uint8Array,
  where: string,
): Promise<InferenceSession> {
  try {
    return await create(ort, model, "wasm");
  } catch (error) {
    const problem = oneLine(error);
    if (problem.includes(NO_BACKEND)) {
      throw new DownloadError("ONNX Runtime's WebAssembly", "cannot be loaded", CONNECTION);
    }
    throw new InvalidModelError(where, `ONNX Runtime does not load it: ${problem}`);
  }
}

/** WebAssembly's answer: some networks load, and fail only when they run. */
async function firstAnswer(
  ort: OnnxRuntime,
  wasm: InferenceSession,
  where: string,
  proof: Proof,
): Promise<Outputs> {
  try {
    return await run(ort, wasm, proof.image, proof.dims, where);
  } catch (error) {
    await wasm.release();
    throw new InvalidModelError(where, `ONNX Runtime does not run it: ${oneLine(error)}`);
  }
}

/** The session on WebGPU, or why it is not used. */
async function tryWebgpu(
  ort: OnnxRuntime,
  model: Uint8Array,
  expected: Outputs,
  where: string,
  proof: Proof,
): Promise<InferenceSession | string> {
  let session: InferenceSession | null = null;
  let problem: string;
  try {
    session = await create(ort, model, "webgpu");
    problem = proof.difference(await run(ort, session, proof.image, proof.dims, where), expected);
  } catch (error) {
    problem = oneLine(error);
  }
  if (session !== null && problem === "") return session;
  await session?.release();
  return `WebGPU was tried: ${problem}`;
}

function create(
  ort: OnnxRuntime,
  model: Uint8Array,
  provider: ProviderName,
): Promise<InferenceSession> {
  return ort.InferenceSession.create(model, {
    executionProviders: [provider],
    ...QUIET,
  });
}
