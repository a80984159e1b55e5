// Says when the connection is away, since when, and what that means. A gap of less than a second is not worth a word.
//
//   <connection-status hidden role="status"><p class="notice"></p></connection-status>
import { socketOf } from "./live-conversation.js";

const QUIET = 1_000; // ms

class ConnectionStatus extends HTMLElement {
  connectedCallback() {
    socketOf(this).addEventListener("connection", ({ detail }) => this.show(detail));
    addEventListener("online", () => this.render());
    addEventListener("offline", () => this.render());
  }

  show(detail) {
    this.detail = detail;
    if (detail.state === "online") {
      clearTimeout(this.later);
      this.later = undefined;
      this.hidden = true;
    } else if (detail.state === "reconnecting") {
      this.later ??= setTimeout(() => this.render(), QUIET);
    } else this.render();
  }

  render() {
    if (!this.detail || this.detail.state === "online") return;
    this.firstElementChild.replaceChildren(...this.words(this.detail));
    this.hidden = false;
  }

  words({ state, lastSeen }) {
    if (state === "signed-out") {
      const next = encodeURIComponent(location.pathname);
      return ["You are signed out. What you wrote is kept. ", link(`/accounts/login/?next=${next}`, "Sign in again")];
    }
    if (state === "gone") return ["This conversation was deleted, or is no longer yours. ", link("/", "Your conversations")];
    const what = navigator.onLine ? "Reconnecting…" : "You are offline.";
    const since = lastSeen ? ` Last seen ${lastSeen.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.` : "";
    return [`${what}${since} The agent goes on, and what you send is kept until then.`];
  }
}

function link(href, text) {
  const element = document.createElement("a");
  element.href = href;
  element.textContent = text;
  return element;
}

customElements.define("connection-status", ConnectionStatus);
