// Says when the connection is away or the server cannot store, since when, and what that means. A gap of less than a
// second is not worth a word.
//
//   <connection-status hidden role="status"><p class="notice"></p></connection-status>
import { socketOf } from "./live-conversation.js";

const QUIET = 1_000; // ms

class ConnectionStatus extends HTMLElement {
  connectedCallback() {
    const socket = socketOf(this);
    socket.addEventListener("connection", ({ detail }) => this.show(detail));
    socket.addEventListener("delayed", ({ detail }) => {
      this.problem = detail?.message;
      this.render();
    });
    addEventListener("online", () => this.render());
    addEventListener("offline", () => this.render());
  }

  show(detail) {
    this.detail = detail;
    if (detail.state === "reconnecting") {
      this.later ??= setTimeout(() => this.render(), QUIET);
      return;
    }
    clearTimeout(this.later);
    this.later = undefined;
    this.render();
  }

  render() {
    if (!this.detail) return;
    const words = this.words(this.detail);
    this.hidden = !words.length;
    this.firstElementChild.replaceChildren(...words);
  }

  words({ state, lastSeen }) {
    if (state === "online") return this.problem ? [`${this.problem} What you sent is kept, and sent again until it is stored.`] : [];
    if (state === "signed-out") {
      const next = encodeURIComponent(location.pathname);
      return ["You are signed out. What you wrote is kept. ", link(`/accounts/login/?next=${next}`, "Sign in again")];
    }
    if (state === "gone") return ["This conversation was deleted, or is no longer yours. ", link("/", "Your conversations")];
    const what = navigator.onLine ? "Reconnecting…" : "You are offline.";
    const since = lastSeen ? ` Last seen ${lastSeen.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.` : "";
    return [`${what}${since} Nothing is lost, and what you send is kept until then.`];
  }
}

function link(href, text) {
  const element = document.createElement("a");
  element.href = href;
  element.textContent = text;
  return element;
}

customElements.define("connection-status", ConnectionStatus);
