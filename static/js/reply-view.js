// A reply that is being made, as an article at the end of the timeline: thoughts folded, text as it comes, and how
// much of an action has been written. At most one change of the page a frame.
import { StreamedReply } from "./streamed.js";

export class ReplyView {
  constructor(callId) {
    this.reply = new StreamedReply(callId);
    this.element = document.createElement("article");
    this.element.className = "event reply";
    this.element.setAttribute("aria-live", "off"); // announced when it is whole
    this.element.append(
      make("details", "fold", make("summary", "", "Thinking"), make("p", "reply-reasoning")),
      make("p", "reply-text"),
      make("p", "reply-action"),
    );
    [this.reasoning, this.text, this.action] = this.element.children;
    this.show();
  }

  apply(delta) {
    if (this.reply.apply(delta)) this.frame ??= requestAnimationFrame(() => this.show());
  }

  show() {
    this.frame = undefined;
    const { text, reasoning, argumentsLength } = this.reply;
    this.reasoning.hidden = !reasoning;
    this.reasoning.lastChild.textContent = reasoning;
    this.text.hidden = !text;
    this.text.textContent = text;
    this.action.hidden = !argumentsLength;
    this.action.textContent = `Preparing an action, ${argumentsLength.toLocaleString("en")} characters so far`;
  }
}

function make(tag, className, ...content) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...content);
  return element;
}
