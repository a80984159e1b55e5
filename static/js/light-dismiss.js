// Closes its details on Escape and on a click elsewhere, as a menu does.
//
//   <light-dismiss><details><summary>Menu</summary> … </details></light-dismiss>
class LightDismiss extends HTMLElement {
  connectedCallback() {
    this.gone = new AbortController();
    const { signal } = this.gone;
    addEventListener("pointerdown", ({ target }) => this.contains(target) || this.close(), { signal });
    this.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      this.close();
      this.querySelector("summary").focus();
    });
  }

  disconnectedCallback() {
    this.gone.abort();
  }

  close() {
    this.querySelector("details").open = false;
  }
}

customElements.define("light-dismiss", LightDismiss);
