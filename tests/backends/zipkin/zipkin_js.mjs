// A service that is traced with Zipkin's own library for Node:
//
//   node zipkin_js.mjs FOLDER ZIPKIN
//
// FOLDER holds what npm has installed, ZIPKIN is the server's URL. It prints its port, and ends with
// its input. GET /?next=URL asks that URL in a client span, and answers with its answer; any other
// request is answered at once.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [folder, zipkin] = process.argv.slice(2);
const require = createRequire(join(resolve(folder), "index.js"));
const {
  BatchRecorder, ExplicitContext, Instrumentation, Tracer, jsonEncoder, option,
} = require("zipkin");
const { HttpLogger } = require("zipkin-transport-http");

const tracer = new Tracer({
  ctxImpl: new ExplicitContext(),
  localServiceName: "node",
  traceId128Bit: true,
  recorder: new BatchRecorder({
    logger: new HttpLogger({
      endpoint: `${zipkin}/api/v2/spans`,
      jsonEncoder: jsonEncoder.JSON_V2,
      httpInterval: 50,
    }),
  }),
});

async function ask(url, parent) {
  const client = new Instrumentation.HttpClient({ tracer, remoteServiceName: "python" });
  const [request, id] = tracer.letId(parent, () => tracer.scoped(() => [
    client.recordRequest({ headers: {} }, url, "GET"),
    tracer.id,
  ]));
  const response = await fetch(url, request);
  tracer.letId(id, () => client.recordResponse(id, String(response.status)));
  return response.text();
}

const server = createServer(async (request, response) => {
  const { port } = server.address();
  const served = new Instrumentation.HttpServer({ tracer, port });
  const url = new URL(request.url, `http://127.0.0.1:${port}`);
  const header = (name) => {
    const value = request.headers[name.toLowerCase()];
    return value === undefined ? option.None : new option.Some(value);
  };
  const id = tracer.scoped(() => served.recordRequest(request.method, url.href, header));
  const next = url.searchParams.get("next");
  const body = next ? await ask(next, id) : "done";
  tracer.letId(id, () => served.recordResponse(id, "200"));
  response.end(body);
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
