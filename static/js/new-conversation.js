// The form that begins a conversation: Enter sends, the draft is kept, and it is sent once.
//
//   <new-conversation><form method="post"> <textarea name="text"></textarea> <button>Start</button> </form></new-conversation>
import { compose } from "./composer-field.js";

class NewConversation extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form");
    const button = form.querySelector(".button-primary");
    const clear = compose(form.elements.text, { draftKey: "draft:new" });
    form.addEventListener("submit", (event) => {
      if (button.disabled) return event.preventDefault();
      if (!form.elements.text.value.trim()) {
        event.preventDefault();
        return form.elements.text.focus();
      }
      button.disabled = true;
      // The form's data is taken after this event.
      setTimeout(clear);
    });
    // Back from the conversation, the form is as it was left.
    addEventListener("pageshow", () => (button.disabled = false));
  }
}

customElements.define("new-conversation", NewConversation);
