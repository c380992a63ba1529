/** Show an answer while it is written. */
import { connect } from "@quickthorn/client";
import { Role } from "@quickthorn/client/v1/content";

const client = connect(process.env["QUICKTHORN_TARGET"]);
// begin stream
const stream = client.stream({
  messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: "Why is rain wet?" } }] }],
});
for await (const { event } of stream) {
  if (event.case === "started") {
    console.log(`-- ${event.value.backend} answers`);
  } else if (event.case === "text") {
    process.stdout.write(event.value.text);
  }
}
const completion = await stream.fold(); // what was shown, whole, and what only the end knows
console.log(`\n-- ${completion.usage?.outputTokens ?? "unknown"} tokens, request ${completion.requestId}`);
// end stream
client.close();
