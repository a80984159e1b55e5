// Holds the socket that the elements inside it share.
//
//   <live-conversation data-id="<uuid>" data-after="17"> … </live-conversation>
import { arrived, NEW_DRAFT } from "./drafts.js";
import { Outbox } from "./outbox.js";
import { ConversationSocket } from "./socket.js";

class LiveConversation extends HTMLElement {
  connectedCallback() {
    const { id, after } = this.dataset;
    arrived(NEW_DRAFT); // this page answers the form that began it
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.outbox = new Outbox(sessionStorage, `outbox:${id}`);
    // What was committed before a reload is on the page already.
    for (const frame of this.outbox.messages) if (this.#shows(frame)) this.outbox.settle(frame.client_id);
    this.socket = new ConversationSocket({
      url: `${scheme}://${location.host}/sockets/events/${id}`,
      after: Number(after),
      outbox: this.outbox,
    });
    this.gone = new AbortController();
    const { signal } = this.gone;
    addEventListener("online", () => this.socket.hurry(), { signal });
    addEventListener("offline", () => this.socket.renew(), { signal });
    // The browser may keep the page and give it back later, with a socket that is dead.
    addEventListener("pageshow", (event) => event.persisted && this.socket.renew(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.socket.hurry(), { signal });
    // The other elements listen first.
    queueMicrotask(() => this.socket.open());
  }

  disconnectedCallback() {
    this.gone.abort();
  }

  #shows(frame) {
    return this.querySelector(`#event-${CSS.escape(frame.client_id)}`) !== null;
  }
}

/** The socket of the conversation that `element` stands in. */
export function socketOf(element) {
  return element.closest("live-conversation").socket;
}

customElements.define("live-conversation", LiveConversation);
