// Leads back to the end of a timeline that somebody reads further up, and says that something new is there.
//
//   <jump-to-newest hidden><button type="button">Jump to newest</button></jump-to-newest>
class JumpToNewest extends HTMLElement {
  connectedCallback() {
    const live = this.closest("live-conversation");
    this.querySelector("button").addEventListener("click", () => live.querySelector("event-timeline").pin.jump());
    live.addEventListener("pin-changed", ({ detail }) => {
      this.hidden = detail;
      this.classList.remove("has-news");
    });
    live.addEventListener("timeline-grown", () => this.classList.toggle("has-news", !this.hidden));
  }
}

customElements.define("jump-to-newest", JumpToNewest);
