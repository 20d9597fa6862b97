import { defineConfig } from "vitest/config";

export default defineConfig({
  root: "page",
  base: "./", // for any folder of any host
  assetsInclude: ["**/*.onnx"],
  build: {
    outDir: "../../dist/web",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // files, not data in addresses, which a strict host forbids to load
  },
  worker: { format: "es" },
  server: { fs: { allow: ["../.."] } },
  test: {
    root: ".",
    include: ["test/**/*.test.ts"],
    maxWorkers: 1, // beside pytest's own
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
