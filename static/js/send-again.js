// Sends the form once more that this page answers: the browser still has what was in it.
//
//   <send-again><button type="button">Send it again</button></send-again>
class SendAgain extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", ({ target }) => target.closest("button") && location.reload());
  }
}

customElements.define("send-again", SendAgain);
