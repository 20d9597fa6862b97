import { expect, test } from "vitest";
import * as errors from "../src/errors";
import { fromMessage, toMessage } from "../src/worker/error-message";

const { FkdError, oneLine: _, ...subclasses } = errors;

test.each(Object.entries({ FkdError, ...subclasses }))(
  "%s is the same in another thread",
  (name, kind) => {
    const error = new kind("net.onnx", "is damaged", "copy it again");
    const arrived = fromMessage(structuredClone(toMessage(error)));
    expect(arrived).toBeInstanceOf(kind);
    expect(arrived).toMatchObject({
      name,
      subject: "net.onnx",
      problem: "is damaged",
      fix: "copy it again",
    });
    expect(arrived.message).toBe("net.onnx: is damaged; copy it again");
  },
);

test("a bug is no FkdError, and keeps its text in one line", () => {
  const arrived = fromMessage(toMessage(new TypeError("x is\n undefined")));
  expect(arrived).not.toBeInstanceOf(FkdError);
  expect(arrived.message).toBe("x is undefined");
});
