import { expect, test } from "vitest";
import { ModelCardError } from "../src/errors";
import { detectorCard } from "../src/models/cards/detector";
import { modelCard } from "../src/models/cards/landmark";
import { readMetadata } from "../src/models/onnx-file";
import { shipped } from "./fixtures";
import { onnxBytes } from "./onnx-bytes";

function cardText(name: string): string {
  const { data } = shipped(name);
  return readMetadata(data, name).get("fkd") ?? "";
}

const CARD = cardText("fkdnet");

function changed(change: (card: any) => void): Map<string, string> {
  const card = JSON.parse(CARD);
  change(card);
  return new Map([["fkd", JSON.stringify(card)]]);
}

test.each(["fkdnet", "fkdnet-int8", "fkdnet-large", "naimishnet"])("%s has a card", (name) => {
  const card = modelCard(new Map([["fkd", cardText(name)]]), name);
  expect(card.scheme.count).toBe(68);
  expect([1, 3]).toContain(card.input.channels);
});

test("the card says how the network sees a face", () => {
  const card = modelCard(new Map([["fkd", CARD]]), "fkdnet.onnx");
  expect(card.input).toEqual({ size: 128, channels: 1, dtype: "uint8", layout: "NHWC" });
  expect(card.crop).toEqual({ scale: 1.25, shift: [0, 0], border: "replicate" });
  expect(card.output).toEqual({ space: "crop", score: true, spread: true });
});

test.each<[string, (card: any) => void, string]>([
  ["version", (card) => (card.version = 2), "its card has version 2, but this fkd reads 1"],
  ["unknown field", (card) => (card.colour = 1), "card.colour is not a field"],
  ["missing field", (card) => delete card.crop, "card.crop is missing"],
  [
    "type",
    (card) => (card.input.size = "128"),
    "card.input.size is '128', which does not fit a whole number",
  ],
  [
    "channels",
    (card) => (card.input.channels = 4),
    "card.input.channels is 4, which does not fit 1 or 3",
  ],
  [
    "scheme",
    (card) => (card.scheme = "x"),
    "card.scheme: no scheme is called 'x'; there are: ibug68",
  ],
  ["rule", (card) => (card.crop.scale = 1e9), "card.crop: scale is 1000000000, but must be from"],
  [
    "control character",
    (card) => (card.licence = "\u001b[2J"),
    "card.licence has a control character",
  ],
])("a card with another %s is refused", (_, change, message) => {
  const read = (): unknown => modelCard(changed(change), "net.onnx");
  expect(read).toThrow(ModelCardError);
  expect(read).toThrow(`net.onnx: ${message}`);
  expect(read).toThrow(/^[^\n]+; export the model with fkd-export, which writes a valid card$/);
});

test("a scheme of one's own stands in the card", () => {
  const scheme = {
    name: "two",
    count: 2,
    groups: { eyes: [0, 1] },
    mirror_pairs: [[0, 1]],
    outer_eye_corners: [0, 1],
  };
  const own = changed((card) => Object.assign(card, { scheme, conventions: {} }));
  expect(modelCard(own, "own.onnx").scheme).toMatchObject({
    name: "two",
    closed: [],
    unjoined: [],
  });
});

test("a network of another task is refused", () => {
  const detector = new Map([["fkd", cardText("fkd-detector")]]);
  expect(detectorCard(detector, "d.onnx").smallest).toBe(12);
  expect(() => modelCard(detector, "d.onnx")).toThrow(
    "d.onnx: this network finds faces, but one that places points is needed; use it as detector",
  );
});

test("files that are no networks of fkd are refused", () => {
  const read = (data: Uint8Array): unknown => modelCard(readMetadata(data, "x.onnx"), "x.onnx");
  const whole = onnxBytes({ fkd: CARD });
  expect(read(whole)).toMatchObject({ name: "fkdnet" });
  expect(() => read(onnxBytes({ other: "1" }))).toThrow("x.onnx: it has no fkd model card");
  expect(() => read(onnxBytes({ fkd: "{" }))).toThrow("its card is not JSON");
  expect(() => read(new Uint8Array())).toThrow("x.onnx: the file is empty");
  expect(() => read(new TextEncoder().encode("<!doctype html>"))).toThrow(
    "x.onnx: its address leads to a web page",
  );
  expect(() => read(whole.subarray(0, whole.length - 1))).toThrow("it is truncated");
});
