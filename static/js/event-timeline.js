// Shows each event once and in order: puts observations into their actions' slots, and a reply that is being made at
// the end, until its events replace it.
//
//   <event-timeline role="log" data-older="/conversations/<id>/events/"> …articles with data-sequence… </event-timeline>
//
// Tells "timeline-grown" with the new events; `pin` follows its end.
import { BottomPin } from "./bottom-pin.js";
import { socketOf } from "./live-conversation.js";
import { place, waiting } from "./observations.js";
import { ReplyView } from "./reply-view.js";

const MOST_EVENTS = 2_000;

class EventTimeline extends HTMLElement {
  connectedCallback() {
    if (this.pin) return;
    this.pin = new BottomPin(this.closest("live-conversation"));
    this.replies = new Map();
    this.made = new Set();
    this.settle(this);
    const socket = socketOf(this);
    socket.addEventListener("events", ({ detail }) => this.take(detail));
    socket.addEventListener("delta", ({ detail }) => this.stream(detail));
    socket.addEventListener("connection", ({ detail }) => detail.state === "online" || this.dropReplies());
  }

  take(events) {
    const fragment = parse(events.map((event) => event.html).join(""));
    this.settle(fragment);
    events.forEach((event) => this.endReplies(event));
    this.querySelector(":scope > .timeline-empty")?.remove();
    this.insertBefore(fragment, this.querySelector(":scope > .reply"));
    if (this.pin.isPinned) this.trim();
    this.dispatchEvent(new CustomEvent("timeline-grown", { bubbles: true, detail: events }));
  }

  /** Older events as HTML, in the place of the element that asked for them. */
  takeOlder(html, asker) {
    this.setAttribute("aria-live", "off"); // what is old is not announced
    asker.replaceWith(parse(html));
    this.settle(this);
    requestAnimationFrame(() => this.setAttribute("aria-live", "polite"));
  }

  /** Puts the observations that stand alone in `root` into their slots; one whose action is older waits, unseen. */
  settle(root) {
    for (const observation of waiting(root)) {
      const id = `[data-action="${CSS.escape(observation.dataset.observationOf)}"]`;
      const action = root.querySelector(id) ?? this.querySelector(id);
      if (action) place(observation, action);
    }
  }

  stream(delta) {
    if (this.made.has(delta.call_id)) return;
    let reply = this.replies.get(delta.call_id);
    if (!reply) {
      reply = new ReplyView(delta.call_id);
      this.replies.set(delta.call_id, reply);
      this.append(reply.element);
    }
    reply.apply(delta);
  }

  endReplies({ kind, payload }) {
    if (payload.call_id) {
      this.made.add(payload.call_id);
      this.dropReply(payload.call_id);
    }
    if (kind === "agent_state_changed" && payload.state !== "running") this.dropReplies();
  }

  dropReply(callId) {
    this.replies.get(callId)?.element.remove();
    this.replies.delete(callId);
  }

  dropReplies() {
    for (const callId of [...this.replies.keys()]) this.dropReply(callId);
  }

  /** Takes the oldest half off a very long timeline that is followed at its end; it comes again on the way back. */
  trim() {
    const events = this.querySelectorAll(":scope > [data-sequence]");
    if (events.length <= MOST_EVENTS) return;
    const first = events[events.length - MOST_EVENTS / 2];
    while (this.firstChild !== first) this.firstChild.remove();
    const older = document.createElement("older-events");
    older.dataset.before = first.dataset.sequence;
    this.prepend(older);
  }
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

customElements.define("event-timeline", EventTimeline);
