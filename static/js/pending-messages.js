// Messages that are said but not yet on the timeline, in their sender's own words.
//
//   <pending-messages></pending-messages>
//
// A refused one tells "message-refused" with its text, for the composer to take back.
import { socketOf } from "./live-conversation.js";

class PendingMessages extends HTMLElement {
  connectedCallback() {
    this.articles = new Map();
    this.live = this.closest("live-conversation");
    const socket = socketOf(this);
    socket.addEventListener("outbox", () => this.show(socket.outbox.messages));
    socket.addEventListener("connection", ({ detail }) => (this.dataset.connection = detail.state));
    socket.addEventListener("refused", ({ detail }) => this.refuse(detail));
    this.live.addEventListener("timeline-grown", ({ detail }) => detail.forEach((event) => this.drop(event.id)));
    this.show(socket.outbox.messages);
  }

  show(messages) {
    for (const { client_id, text } of messages) {
      if (this.articles.has(client_id) || this.live.querySelector(`#event-${CSS.escape(client_id)}`)) continue;
      const article = document.createElement("article");
      article.className = "event message message-user message-pending";
      const body = document.createElement("p");
      body.textContent = text;
      article.append(body);
      this.articles.set(client_id, article);
      this.append(article);
    }
  }

  drop(clientId) {
    this.articles.get(clientId)?.remove();
    this.articles.delete(clientId);
  }

  refuse({ client_id, message, frame }) {
    if (!client_id) return;
    this.drop(client_id);
    const detail = { message, text: frame?.type === "message" ? frame.text : "" };
    this.dispatchEvent(new CustomEvent("message-refused", { bubbles: true, detail }));
  }
}

customElements.define("pending-messages", PendingMessages);
