// The form that begins a conversation: Enter sends, it is sent once and only where the server answers, and the draft
// is kept until the conversation is there.
//
//   <new-conversation><form method="post"> <p data-problem hidden></p> <textarea name="text"></textarea> <button>Start</button> </form></new-conversation>
import { compose, excess } from "./composer-field.js";
import { dispatch, NEW_DRAFT, read, reopen } from "./drafts.js";

const PATIENCE = 5_000; // ms
const NO_ANSWER = "The server does not answer. What you wrote is kept; try again in a moment.";

class NewConversation extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.button = this.form.querySelector(".button-primary");
    this.problem = this.form.querySelector("[data-problem]");
    compose(this.form.elements.text, { draftKey: NEW_DRAFT });
    reopen(NEW_DRAFT);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    addEventListener("pageshow", ({ persisted }) => persisted && this.resume());
  }

  async send() {
    const { text } = this.form.elements;
    if (this.button.disabled) return;
    if (!text.value.trim()) return text.focus();
    this.button.disabled = true;
    this.complain(excess(text.value) || ((await answers()) ? "" : NO_ANSWER));
    this.button.disabled = this.problem.hidden;
    if (!this.problem.hidden) return;
    dispatch(NEW_DRAFT, text.value);
    this.form.submit();
  }

  /** The browser kept the page and gives it back: what has arrived is no draft any more. */
  resume() {
    this.button.disabled = false;
    this.form.elements.text.value = read(NEW_DRAFT);
  }

  complain(problem) {
    this.problem.textContent = problem;
    this.problem.hidden = !problem;
  }
}

async function answers() {
  try {
    return (await fetch("/alive", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) })).ok;
  } catch {
    return false;
  }
}

customElements.define("new-conversation", NewConversation);
