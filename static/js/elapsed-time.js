// For how long something has run, counted on from what the server says: the clocks of the two need not agree. While
// it is not shown, its turn has not come, and it has not begun to run.
//
//   running <elapsed-time role="timer" seconds="0.3"></elapsed-time>
//
// A timer is not announced each time that it changes, also where it stands in what is.
import { duration } from "./times.js";

const EVERY = 1_000; // ms
const FROM = 2; // seconds; what is over sooner needs no clock
const counting = new Set();

class ElapsedTime extends HTMLElement {
  connectedCallback() {
    this.began = performance.now() - Number(this.getAttribute("seconds")) * 1000;
    counting.add(this);
    this.show();
  }

  disconnectedCallback() {
    counting.delete(this);
  }

  show() {
    if (!this.checkVisibility()) this.began = performance.now();
    const seconds = Math.floor((performance.now() - this.began) / 1000);
    this.textContent = seconds < FROM ? "" : duration(seconds);
  }
}

setInterval(() => counting.forEach((element) => element.show()), EVERY);
customElements.define("elapsed-time", ElapsedTime);
