// Says something to the agent, also while it works and while the connection is away.
//
//   <message-composer><form><textarea name="text"></textarea><p role="alert" hidden></p><button>Send</button></form></message-composer>
import { compose, excess } from "./composer-field.js";
import { socketOf } from "./live-conversation.js";
import { uuid } from "./uuid.js";

const PLACEHOLDER = "Say something to the agent";
const PAUSED = "Paused. What you say is read when you press “Resume”";

class MessageComposer extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.field = this.form.elements.text;
    this.problem = this.querySelector("[role=alert]");
    const live = this.closest("live-conversation");
    this.clear = compose(this.field, { draftKey: `draft:${live.dataset.id}` });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    live.addEventListener("message-refused", ({ detail }) => this.takeBack(detail));
    const socket = socketOf(this);
    socket.addEventListener("connection", ({ detail }) => detail.state === "gone" && this.close());
    socket.addEventListener("status", ({ detail }) => {
      this.field.placeholder = detail.agent_state === "paused" ? PAUSED : PLACEHOLDER;
    });
  }

  send() {
    const text = this.field.value;
    if (!text.trim()) return this.field.focus();
    const problem = excess(text);
    this.problem.textContent = problem;
    this.problem.hidden = !problem;
    if (problem) return;
    this.clear();
    socketOf(this).say({ type: "message", client_id: uuid(), text });
    this.closest("live-conversation").querySelector("event-timeline").pin.jump();
  }

  takeBack({ text, message }) {
    this.problem.textContent = message;
    this.problem.hidden = false;
    if (!text) return;
    this.field.value = [text, this.field.value].filter(Boolean).join("\n");
    this.field.dispatchEvent(new Event("input"));
  }

  close() {
    for (const element of this.form.elements) element.disabled = true;
  }
}

customElements.define("message-composer", MessageComposer);
