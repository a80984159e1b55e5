// A reply while it is being made, put together from deltas. Offsets count characters as Python does, by code point.
const GAP = " … ";

export class StreamedReply {
  constructor(callId) {
    this.callId = callId;
    this.attempt = 0;
    this.#clear();
  }

  /** Takes a piece in; one that is known already or of an earlier attempt changes nothing. Returns whether it did. */
  apply({ attempt, channel, index, offset, text }) {
    if (attempt < this.attempt) return false;
    if (attempt > this.attempt) {
      this.attempt = attempt;
      this.#clear();
    }
    const key = `${channel}:${channel === "arguments" ? index : 0}`;
    const length = this.lengths.get(key) ?? 0;
    const pieces = Array.from(text);
    if (offset + pieces.length <= length) return false;
    const news = pieces.slice(Math.max(0, length - offset)).join("");
    this.lengths.set(key, offset + pieces.length);
    if (channel !== "arguments") this[channel] += (offset > length ? GAP : "") + news;
    return true;
  }

  /** How many characters of calls have come. */
  get argumentsLength() {
    let sum = 0;
    for (const [key, length] of this.lengths) if (key.startsWith("arguments")) sum += length;
    return sum;
  }

  #clear() {
    this.text = "";
    this.reasoning = "";
    this.lengths = new Map();
  }
}
