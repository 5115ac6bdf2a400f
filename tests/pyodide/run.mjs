// Runs the tests in Pyodide: node run.mjs FOLDER, where FOLDER holds what make has installed for it.

import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, isMainThread, workerData } from "node:worker_threads";

if (isMainThread) {
  // CPython 3.14 frees a chain of thousands of objects in calls nested as deeply. They are on
  // JavaScript's stack, and only a worker's can be made larger.
  const worker = new Worker(new URL(import.meta.url), {
    workerData: resolve(process.argv[2]),
    resourceLimits: { stackSizeMb: 64 },
  });
  worker.on("exit", (code) => { process.exitCode = code; });
} else {
  // Pyodide reads and writes these by number, and a worker's have none.
  ["stdin", "stdout", "stderr"].forEach((name, fd) => { process[name].fd = fd; });

  const { loadPyodide } = await import(join(workerData, "node_modules/pyodide/pyodide.mjs"));
  const pyodide = await loadPyodide({
    // No folder can be mounted as read-only: what Python and Hypothesis keep goes elsewhere.
    env: {
      HOME: "/tmp",
      HYPOTHESIS_STORAGE_DIRECTORY: "/tmp/hypothesis",
      PYTEST_ADDOPTS: process.env.PYTEST_ADDOPTS ?? "",
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  pyodide.mountNodeFS("/checkout", fileURLToPath(new URL("../..", import.meta.url)));
  pyodide.mountNodeFS("/installed", join(workerData, "python"));
  pyodide.FS.chdir("/checkout");
  process.exitCode = pyodide.runPython(`
    import runpy, sys
    sys.path[:0] = ["/checkout", "/installed"]
    runpy.run_path("tests/pyodide/inside.py")["main"]()
  `);
}
