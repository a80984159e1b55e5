// A moment in the reader's own time zone: how long ago, kept up to date, or with `clock` the time of day.
//
//   <relative-time datetime="2026-01-31T12:03:00Z">31 Jan 2026, 12:03</relative-time>
import { ago, clock } from "./times.js";

const EVERY = 30_000; // ms
const shown = new Set();

class RelativeTime extends HTMLElement {
  connectedCallback() {
    this.moment = new Date(this.getAttribute("datetime"));
    if (Number.isNaN(this.moment.getTime())) return;
    this.title = this.moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    this.show();
    if (!this.hasAttribute("clock")) shown.add(this);
  }

  disconnectedCallback() {
    shown.delete(this);
  }

  show() {
    const text = this.hasAttribute("clock") ? clock(this.moment) : ago(this.moment);
    if (text !== this.textContent) this.textContent = text;
  }
}

setInterval(() => shown.forEach((element) => element.show()), EVERY);
customElements.define("relative-time", RelativeTime);
