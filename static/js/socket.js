// The socket of one conversation: every event after a cursor, once and in order, through every loss of the connection.
//
//   const socket = new ConversationSocket({ url: "/sockets/events/<id>", after: 17, outbox });
//   socket.addEventListener("events", ({ detail }) => …);     also: replayed delta status usage ack refused
//   socket.addEventListener("delayed", ({ detail }) => …);    the server cannot store now, and why; null: it can again
//   socket.addEventListener("connection", ({ detail }) => …); { state: connecting | online | reconnecting | signed-out | gone, lastSeen }
//   socket.open();
//   socket.say({ type: "message", client_id, text });          kept and sent again until it is acknowledged
import { backoff } from "./backoff.js";

const SEEN_EVERY = 250; // ms
const SEEN_AFTER = 100; // events
const ACK_WITHIN = 8_000; // ms; then the connection is taken for dead
const SILENCE = 75_000; // ms; the server says something every 30 s, and a line that is dead need not close
const ENDS = { 4001: "signed-out", 4004: "gone" };

export class ConversationSocket extends EventTarget {
  constructor({ url, after, outbox, connect = (address) => new WebSocket(address), random = Math.random }) {
    super();
    Object.assign(this, { url, after, outbox, connect, random });
    this.state = "connecting";
    this.lastSeen = null;
    this.attempt = 0;
    this.delays = 0;
    this.seen = after;
  }

  open() {
    clearTimeout(this.retry);
    if (this.socket || this.isOver) return;
    const socket = (this.socket = this.connect(`${this.url}?after=${this.after}&html=1`));
    socket.onmessage = (message) => socket === this.socket && this.#hear(JSON.parse(message.data));
    socket.onclose = ({ code }) => socket === this.socket && this.#lose(code);
    socket.onopen = () => socket === this.socket && this.#resend();
    this.#watch();
  }

  /** Now rather than after the wait: the network is back, or somebody looks. */
  hurry() {
    this.attempt = 0;
    // Of a page that slept, timers sleep too.
    if (this.socket && this.lastSeen && Date.now() - this.lastSeen > SILENCE) return this.renew();
    this.open();
  }

  /** Gives the connection up and takes another; used where it may be dead without having closed. */
  renew() {
    const socket = this.socket;
    if (!socket) return this.open();
    this.#lose(0);
    socket.close();
  }

  say(frame) {
    this.outbox.add(frame);
    this.#tell("outbox");
    this.#send(frame);
  }

  get isOver() {
    return Object.values(ENDS).includes(this.state);
  }

  #resend() {
    // Accepted is not admitted: a socket without a session is accepted too, and closed. What is sent to it is kept.
    this.outbox.frames.forEach((frame) => this.#send(frame));
  }

  #send(frame) {
    if (this.socket?.readyState !== 1) return;
    this.socket.send(JSON.stringify(frame));
    if (frame.client_id) this.ackBy ??= setTimeout(() => this.renew(), ACK_WITHIN);
  }

  #hear(frame) {
    this.lastSeen = new Date();
    this.#watch();
    if (this.state !== "online") this.#become("online");
    this.attempt = 0;
    if (frame.type === "events") return this.#take(frame.events);
    if (frame.type === "ack") return this.#acknowledge(frame);
    if (frame.type === "error") return this.#refuse(frame);
    // A log that came back from a backup can be shorter than what we had.
    if (frame.type === "replayed") this.after = Math.min(this.after, frame.sequence);
    this.#tell(frame.type, frame);
  }

  #watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.renew(), SILENCE);
  }

  #take(events) {
    const news = events.filter((event) => event.sequence > this.after);
    if (!news.length) return;
    this.after = news.at(-1).sequence;
    this.#tell("events", news);
    if (this.after - this.seen >= SEEN_AFTER) this.#sendSeen();
    else this.seenSoon ??= setTimeout(() => this.#sendSeen(), SEEN_EVERY);
  }

  #sendSeen() {
    clearTimeout(this.seenSoon);
    this.seenSoon = undefined;
    this.seen = this.after;
    this.#send({ type: "seen", sequence: this.after });
  }

  #settle(frame, type) {
    const settled = this.outbox.settle(frame.client_id);
    clearTimeout(this.ackBy);
    this.ackBy = this.outbox.frames.length ? setTimeout(() => this.renew(), ACK_WITHIN) : undefined;
    this.#tell(type, { ...frame, frame: settled });
    this.#tell("outbox");
  }

  #acknowledge(frame) {
    this.#settle(frame, "ack");
    if (this.delays) this.#tell("delayed", null);
    this.delays = 0;
  }

  #refuse(frame) {
    if (frame.retryable) return this.#postpone(frame);
    this.#settle(frame, "refused");
  }

  /** It could not be stored now: it stays in the outbox, and is sent again. */
  #postpone(frame) {
    clearTimeout(this.ackBy);
    this.ackBy = undefined;
    this.#tell("delayed", frame);
    this.again ??= setTimeout(() => {
      this.again = undefined;
      this.#resend();
    }, backoff(1 + this.delays++, this.random));
  }

  #lose(code) {
    this.socket = undefined;
    for (const timer of ["ackBy", "seenSoon", "again", "silence"]) {
      clearTimeout(this[timer]);
      this[timer] = undefined;
    }
    this.#become(ENDS[code] ?? "reconnecting");
    if (!this.isOver) this.retry = setTimeout(() => this.open(), backoff(this.attempt++, this.random));
  }

  #become(state) {
    this.state = state;
    this.#tell("connection", { state, lastSeen: this.lastSeen });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
