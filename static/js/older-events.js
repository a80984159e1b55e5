// Fetches the events before what the timeline shows, when it comes near the window or its button is pressed.
//
//   <event-timeline data-older="/conversations/<id>/events/"> <older-events data-before="801"></older-events> …
class OlderEvents extends HTMLElement {
  connectedCallback() {
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "button";
    this.button.addEventListener("click", () => this.load());
    this.replaceChildren(this.button);
    this.#say("Show what was before");
    this.observer = new IntersectionObserver(([entry]) => entry.isIntersecting && this.load(), { rootMargin: "400px" });
    // The page opens at its end; only from there on is being near the window a wish to see more.
    requestAnimationFrame(() => requestAnimationFrame(() => this.isConnected && this.observer.observe(this)));
  }

  disconnectedCallback() {
    this.observer.disconnect();
  }

  async load() {
    if (this.button.disabled) return;
    this.#say("Loading…", true);
    try {
      const timeline = this.closest("event-timeline");
      const response = await fetch(`${timeline.dataset.older}?before=${this.dataset.before}`);
      if (!response.ok || response.redirected) throw new Error(`HTTP ${response.status}`);
      const html = await response.text();
      if (this.isConnected) keepPlace(this.nextElementSibling, () => timeline.takeOlder(html, this));
    } catch {
      this.observer.disconnect(); // from now on only when asked
      this.#say("That did not work. Try again");
    }
  }

  #say(text, isBusy = false) {
    this.button.textContent = text;
    this.button.disabled = isBusy;
  }
}

/** Changes the page above `anchor` and leaves it where it stands in the window. */
function keepPlace(anchor, change) {
  const before = anchor.getBoundingClientRect().top;
  change();
  scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
}

customElements.define("older-events", OlderEvents);
