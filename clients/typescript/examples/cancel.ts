/** Stop answers early, each in its own way. The server closes its connection to the provider at once every time. */
import { Code, connect, QuickthornError } from "@quickthorn/client";
import { Role } from "@quickthorn/client/v1/content";

const client = connect(process.env["QUICKTHORN_TARGET"]);
const prompt = "Count from one to one thousand, in words.";
const request = { messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: prompt } }] }] };

// begin loop
for await (const piece of client.stream(request).text()) {
  process.stdout.write(piece);
  break; // enough
}
console.log("\n-- left the loop");
// end loop

// begin signal
const stop = new AbortController(); // such as one that a button aborts
setTimeout(() => stop.abort(), 20);
try {
  await client.complete(request, { signal: stop.signal });
} catch (error) {
  if (!(error instanceof QuickthornError && error.code === Code.Canceled)) {
    throw error;
  }
  console.log("-- stopped by the signal");
}
// end signal

// begin deadline
await client.complete(request, { timeoutMs: 20 }).catch((error: QuickthornError) => {
  console.log(`-- ${Code[error.code]}, said by the server: ${error.fromServer}`);
});
// end deadline
client.close();
