/** One error says what went wrong, who says so, and what may help. */
import { setTimeout as sleep } from "node:timers/promises";

import { Code, connect, QuickthornError, text } from "@quickthorn/client";
import { Role } from "@quickthorn/client/v1/content";

const TURNS = 3;
const client = connect(process.env["QUICKTHORN_TARGET"]);
const request = { messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: "Why is rain wet?" } }] }] };

/** Asks, and asks again where the server names a wait: it has already retried and failed over by itself. */
async function patient(): Promise<string> {
  // begin errors
  for (let turn = 0; turn < TURNS; turn += 1) {
    try {
      return text(await client.complete(request, { timeoutMs: 30_000 }));
    } catch (error) {
      if (!(error instanceof QuickthornError)) {
        throw error;
      }
      console.log(`${Code[error.code]} ${error.reason}: ${error.message} (from the server: ${error.fromServer})`);
      for (const { backend, failure } of error.attempts) {
        console.log(`  ${backend}: ${failure}`);
      }
      for (const { field, description } of error.fieldViolations) {
        console.log(`  ${field}: ${description}`);
      }
      if (error.retryDelayMs === undefined) {
        break;
      }
      await sleep(error.retryDelayMs);
    }
  }
  // end errors
  return "no answer";
}

console.log(await patient());
client.close();
