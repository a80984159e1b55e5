// What was said and is not yet known to be committed. It outlives a reload, and is sent again with the same client_id
// until the server has acknowledged it, so nothing is lost and nothing is done twice.
//
//   const outbox = new Outbox(sessionStorage, "outbox:<conversation>");
//   outbox.add({ type: "message", client_id, text });
//   outbox.settle(client_id);
export class Outbox {
  constructor(storage, key) {
    this.storage = storage;
    this.key = key;
    this.frames = this.#load();
  }

  add(frame) {
    this.frames.push(frame);
    this.#save();
  }

  /** Forgets the frame and returns it; undefined where there is none. */
  settle(clientId) {
    const index = this.frames.findIndex((frame) => frame.client_id === clientId);
    if (index < 0) return undefined;
    const [frame] = this.frames.splice(index, 1);
    this.#save();
    return frame;
  }

  get messages() {
    return this.frames.filter((frame) => frame.type === "message");
  }

  #load() {
    try {
      const stored = JSON.parse(this.storage.getItem(this.key) ?? "[]");
      // An order was meant for the moment in which it was given; only what was said is kept through a reload.
      return stored.filter((frame) => frame.type === "message");
    } catch {
      return [];
    }
  }

  #save() {
    try {
      if (this.messages.length) this.storage.setItem(this.key, JSON.stringify(this.messages));
      else this.storage.removeItem(this.key);
    } catch {
      // Storage is full or forbidden: what was said is kept for as long as the page is open.
    }
  }
}
