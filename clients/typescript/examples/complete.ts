/** Ask once and print the answer. */
import { connect, text } from "@quickthorn/client";
import { Role } from "@quickthorn/client/v1/content";

const client = connect(process.env["QUICKTHORN_TARGET"]);
const completion = await client.complete({
  messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: "Why is rain wet?" } }] }],
  sampling: { maxOutputTokens: 60 },
});
console.log(text(completion));
console.log(`-- ${completion.usage?.outputTokens ?? "unknown"} tokens, request ${completion.requestId}`);
client.close();
