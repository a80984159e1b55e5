// Keeps the page's end in view while it grows, unless its reader has scrolled up, selects text or opens something.
// Tells "pin-changed" on the element whenever it begins or ends to follow.
const NEAR = 48; // px from the end

export class BottomPin {
  constructor(element) {
    this.element = element;
    this.isPinned = !location.hash.startsWith("#event-");
    this.end = height();
    history.scrollRestoration = "manual";
    addEventListener("scroll", () => this.#set(this.#isNear()), { passive: true });
    addEventListener("resize", () => this.follow());
    // Something opens under the reader's hand: what is above must not run away.
    element.addEventListener("click", ({ target }) => target.closest("event-timeline summary") && this.#set(false));
    new ResizeObserver(() => this.follow()).observe(element);
    this.follow();
  }

  follow() {
    this.end = height();
    if (this.isPinned && getSelection().isCollapsed) scrollTo(0, this.end);
  }

  jump() {
    this.#set(true);
    scrollTo({ top: height() });
  }

  // Scrolling is told a frame late. What was added meanwhile has not been followed yet, and is no reader's scrolling up.
  #isNear() {
    const end = this.isPinned ? Math.min(this.end, height()) : height();
    return end - innerHeight - scrollY < NEAR;
  }

  #set(isPinned) {
    if (isPinned === this.isPinned) return;
    this.isPinned = isPinned;
    this.element.dispatchEvent(new CustomEvent("pin-changed", { detail: isPinned }));
  }
}

function height() {
  return document.documentElement.scrollHeight;
}
