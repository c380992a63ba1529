/** One page: a question, its answer token by token, and a button that stops it. */
import { Code, connect, QuickthornError } from "@quickthorn/client/web";
import { Role } from "@quickthorn/client/v1/content";

const client = connect(location.origin); // Envoy serves the page and translates its calls
const form = document.querySelector("form")!;
const { question, ask, stop } = form.elements as unknown as Record<"question" | "ask" | "stop", HTMLInputElement>;
const answer = document.querySelector("#answer")!;
const state = document.querySelector("#state")!;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const stream = client.stream({
    route: new URLSearchParams(location.search).get("route") ?? "",
    messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: question.value } }] }],
  });
  stop.onclick = () => stream.cancel();
  ask.disabled = !(stop.disabled = false);
  answer.textContent = "";
  state.textContent = "asked";
  try {
    for await (const piece of stream.text()) {
      answer.append(piece); // as text: an answer is never markup
    }
    const { usage, requestId } = await stream.fold();
    state.textContent = `done: ${usage?.outputTokens ?? "unknown"} tokens, request ${requestId}`;
  } catch (error) {
    state.textContent = told(error);
  } finally {
    ask.disabled = !(stop.disabled = true);
  }
});

function told(error: unknown): string {
  if (!(error instanceof QuickthornError)) {
    throw error;
  }
  return error.code === Code.Canceled ? "stopped" : `${Code[error.code]} ${error.reason}: ${error.message}`;
}
