// Pause, resume and stop; only what makes sense in the agent's state is there to press.
//
//   <agent-controls data-state="running"> <button type="button" data-order="pause">Pause</button> … </agent-controls>
import { ordersFor } from "./controls.js";
import { socketOf } from "./live-conversation.js";
import { uuid } from "./uuid.js";

const ASKED = { pause: "Pausing…", resume: "Resuming…", stop: "Stopping…" };

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
      for (const { kind, payload } of detail) {
        if (kind === "agent_state_changed") this.become(payload.state, true);
        if (kind === "control") this.mark(payload.order);
      }
    });
    socket.addEventListener("refused", () => this.show());
    socket.addEventListener("connection", ({ detail }) => detail.state === "gone" && this.become("gone"));
    this.show();
    const said = this.closest("live-conversation").querySelectorAll("[data-kind=control], [data-kind=agent_state_changed]");
    if (said.length) this.mark(said[said.length - 1].dataset.order);
  }

  give({ dataset: { order } }) {
    socketOf(this).say({ type: order, client_id: uuid() });
    this.mark(order);
  }

  /** An order was given, here or in another window, and is not carried out yet. */
  mark(order) {
    this.show();
    const button = this.buttons.find((each) => each.dataset.order === order && !each.hidden);
    if (!button) return;
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
