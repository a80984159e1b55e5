// The form that begins a conversation: Enter sends, it is sent once, and the draft is kept until the conversation is there.
//
//   <new-conversation><form method="post"> <textarea name="text"></textarea> <button>Start</button> </form></new-conversation>
import { compose } from "./composer-field.js";
import { dispatch, NEW_DRAFT, reopen } from "./drafts.js";

class NewConversation extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form");
    const button = form.querySelector(".button-primary");
    compose(form.elements.text, { draftKey: NEW_DRAFT });
    reopen(NEW_DRAFT);
    form.addEventListener("submit", (event) => {
      if (button.disabled) return event.preventDefault();
      if (!form.elements.text.value.trim()) {
        event.preventDefault();
        return form.elements.text.focus();
      }
      button.disabled = true;
      dispatch(NEW_DRAFT, form.elements.text.value);
      // The form's data is taken after this event; whoever comes back from the conversation finds an empty form.
      setTimeout(() => (form.elements.text.value = ""));
    });
    // Back from the conversation, the form is as it was left.
    addEventListener("pageshow", () => (button.disabled = false));
  }
}

customElements.define("new-conversation", NewConversation);
