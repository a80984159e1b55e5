// Pause, go on and stop; only what makes sense in the agent's state is there to press.
//
//   <agent-controls data-state="running"> <button type="button" data-order="pause">Pause</button> … </agent-controls>
import { ordersFor } from "./controls.js";
import { socketOf } from "./live-conversation.js";
import { uuid } from "./uuid.js";

const ASKED = { pause: "Pausing…", resume: "Going on…", stop: "Stopping…" };

class AgentControls extends HTMLElement {
  connectedCallback() {
    this.buttons = Array.from(this.querySelectorAll("[data-order]"));
    for (const button of this.buttons) {
      button.dataset.label = button.textContent;
      button.addEventListener("click", () => this.give(button));
    }
    const socket = socketOf(this);
    socket.addEventListener("status", ({ detail }) => this.become(detail.agent_state));
    socket.addEventListener("events", ({ detail }) => {
      for (const event of detail) if (event.kind === "agent_state_changed") this.become(event.payload.state, true);
    });
    socket.addEventListener("refused", () => this.show());
    socket.addEventListener("connection", ({ detail }) => detail.state === "gone" && this.become("gone"));
    this.show();
  }

  give(button) {
    const { order } = button.dataset;
    socketOf(this).say({ type: order, client_id: uuid() });
    button.textContent = ASKED[order];
    button.disabled = true;
  }

  become(state, isNew = false) {
    if (!isNew && state === this.dataset.state) return;
    this.dataset.state = state;
    this.show();
  }

  show() {
    const orders = ordersFor(this.dataset.state);
    for (const button of this.buttons) {
      button.textContent = button.dataset.label;
      button.hidden = button.disabled = !orders.includes(button.dataset.order);
    }
  }
}

customElements.define("agent-controls", AgentControls);
