/** Tries the page: a real server, real Envoy, real Chromium. `quickthorn`, `envoy` and `chromium` must be on the path. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { connect } from "@quickthorn/client";

const PATIENCE_MS = 20_000;
const TOKENS = Array.from({ length: 20 }, (_, index) => `drip ${index} `);
const steps = TOKENS.map((text) => `{text: "${text}", after: 100ms}`).join(", ");
const folder = await mkdtemp(join(tmpdir(), "quickthorn-browser-"));
const [web, grpc] = [await freePort(), await freePort()];
const children = [];

try {
  await writeFile(
    join(folder, "quickthorn.yaml"),
    `server: {listen: "127.0.0.1:${grpc}", drain: {quiet: 0s, grace: 2s}}
records: {file: ${join(folder, "records.jsonl")}}
backends: [{name: drips, provider: scripted, script: [{steps: [${steps}]}]}]
routes: [{name: default, backends: [drips]}]
`,
  );
  const config = (await readFile("envoy.yaml", "utf8")).replace("8080", web).replace("50051", grpc);
  await writeFile(join(folder, "envoy.yaml"), config);
  started("quickthorn", "serve", "--config", join(folder, "quickthorn.yaml"));
  started("envoy", "--config-path", join(folder, "envoy.yaml"), "--concurrency", "1", "--log-level", "error", "--base-id", String(web));
  const client = connect(`127.0.0.1:${grpc}`);
  await until("the server", () => client.listRoutes().then(() => true, () => false));
  await until("Envoy", () => fetch(`http://127.0.0.1:${web}/`).then(({ ok }) => ok, () => false));

  let page = await browse(`http://127.0.0.1:${web}/`);
  await page("document.querySelector('[name=ask]').click()");
  const seen = new Set();
  await until("the whole answer", async () => {
    seen.add(await page("document.querySelector('#answer').textContent"));
    return (await page("document.querySelector('#state').textContent")).startsWith("done");
  });
  assert.ok(seen.has(TOKENS.join("")), "the answer is whole");
  assert.ok(seen.size > TOKENS.length / 2, `it came token by token: ${seen.size} states were seen`);
  console.log(`an answer of ${TOKENS.length} tokens was seen in ${seen.size} states`);

  await page("document.querySelector('[name=ask]').click()");
  await until("three tokens", async () => (await page("document.querySelector('#answer').textContent")).includes(TOKENS[2]));
  await page("document.querySelector('[name=stop]').click()");
  await until("the page to say so", async () => (await page("document.querySelector('#state').textContent")) === "stopped");
  const records = async () => (await readFile(join(folder, "records.jsonl"), "utf8")).trim().split("\n");
  await until("the server to hear of it", async () => /cancelled/i.test(JSON.parse((await records())[1] ?? "{}").outcome));
  console.log("the stop button stopped it on the server, too");

  page = await browse(`http://127.0.0.1:${web}/?route=nowhere`);
  await page("document.querySelector('[name=ask]').click()");
  await until("the error", async () => /^NotFound UNKNOWN_ROUTE: ./.test(await page("document.querySelector('#state').textContent")));
  console.log("an error came with its reason");
} finally {
  children.forEach((child) => child.kill());
  await rm(folder, { recursive: true, force: true, maxRetries: 9 });
}
console.log("browser: ok");

function started(command, ...words) {
  const child = spawn(command, words, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  children.push(child);
  child.on("error", (error) => assert.fail(`${command}: ${error.message}`));
  return child;
}

/** Returns a function that runs JavaScript in the page at `url`, by the browser's own protocol over two pipes. */
async function browse(url) {
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${await mkdtemp(join(folder, "profile-"))}`];
  const { stdio } = started("chromium", ...flags, "--remote-debugging-pipe");
  const waiting = new Map();
  let [count, rest] = [0, ""];
  stdio[4].setEncoding("utf8").on("data", (piece) => {
    const said = (rest + piece).split("\0");
    rest = said.pop();
    for (const { id, result, error } of said.map((each) => JSON.parse(each))) {
      waiting.get(id)?.(error ? Promise.reject(new Error(error.message)) : result);
    }
  });
  const send = (method, params, sessionId) =>
    new Promise((resolve) => {
      waiting.set((count += 1), resolve);
      stdio[3].write(`${JSON.stringify({ id: count, method, params, sessionId })}\0`);
    });
  const { targetId } = await send("Target.createTarget", { url });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const run = async (expression) => {
    const { result } = await send("Runtime.evaluate", { expression, returnByValue: true }, sessionId);
    return result.value;
  };
  await until("the page", () => run("document.readyState === 'complete' && location.protocol === 'http:'"));
  return run;
}

async function until(what, holds) {
  const late = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert.ok(performance.now() < late, `waited in vain for ${what}`);
    await sleep(30);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
