import { defineConfig } from "vitest/config";
import { HEADERS } from "./vite/policy.ts";
import { lists, models, policy } from "./vite/site.ts";

export default defineConfig({
  root: "page",
  publicDir: "static",
  base: "./", // for any folder of any host
  plugins: [policy(), models(), lists()],
  define: { PAGE_HEADERS: JSON.stringify(HEADERS) },
  build: {
    outDir: "../../dist/web",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the policy allows no data: addresses
    rollupOptions: {
      input: ["page/index.html", "page/service-worker/service-worker.ts"],
      output: {
        // A service worker governs the folder that it is in.
        entryFileNames: ({ name }) =>
          name === "service-worker" ? "service-worker.js" : "assets/[name]-[hash].js",
      },
    },
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
