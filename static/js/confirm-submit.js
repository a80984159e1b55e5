// Asks before its form is sent.
//
//   <confirm-submit data-question="Delete it?"><form method="post"> … </form></confirm-submit>
class ConfirmSubmit extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", (event) => confirm(this.dataset.question) || event.preventDefault());
  }
}

customElements.define("confirm-submit", ConfirmSubmit);
