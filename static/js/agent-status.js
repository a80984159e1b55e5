// What the agent and its sandbox are at, and what was spent; also the page's title.
//
//   <agent-status data-labels='{"running": "Working", …}' data-sandbox-labels='{"running": "Sandbox running", …}'>
//     <span data-fact="agent" data-state="running">Working</span> <span data-fact="sandbox">Sandbox running</span> …
//   </agent-status>
import { socketOf } from "./live-conversation.js";
import { spendText } from "./spend.js";

const QUEUED_AFTER = 1_500; // ms; a shorter wait for a worker is not worth a word

class AgentStatus extends HTMLElement {
  connectedCallback() {
    this.labels = JSON.parse(this.dataset.labels);
    this.sandboxLabels = JSON.parse(this.dataset.sandboxLabels);
    this.facts = Object.fromEntries(Array.from(this.querySelectorAll("[data-fact]"), (fact) => [fact.dataset.fact, fact]));
    this.title = document.querySelector("[data-title]").textContent;
    const socket = socketOf(this);
    socket.addEventListener("status", ({ detail }) => this.show(detail));
    socket.addEventListener("usage", ({ detail }) => (this.facts.spend.textContent = spendText(detail)));
    this.showTitle();
  }

  show({ agent_state, sandbox_state, isolation, queued, title }) {
    clearTimeout(this.later);
    this.showAgent(agent_state);
    if (queued) this.later = setTimeout(() => this.showAgent("queued"), QUEUED_AFTER);
    const sandbox = sandbox_state ?? "none";
    this.facts.sandbox.dataset.state = sandbox;
    this.facts.sandbox.textContent = this.sandboxLabels[sandbox] ?? sandbox;
    const kept = isolation ?? "";
    this.facts.isolation.dataset.isolation = this.facts.isolation.textContent = kept;
    this.facts.isolation.title = `What keeps the sandbox apart from this server: ${kept}`;
    if (title !== this.title) this.rename(title);
  }

  showAgent(state) {
    this.facts.agent.dataset.state = state;
    this.facts.agent.textContent = this.labels[state] ?? state;
    this.showTitle();
  }

  rename(title) {
    this.title = title;
    for (const element of document.querySelectorAll("[data-title]:not(.event)")) element.textContent = title;
    this.showTitle();
  }

  showTitle() {
    document.title = `${this.facts.agent.textContent}: ${this.title} – OpenHands`;
  }
}

customElements.define("agent-status", AgentStatus);
