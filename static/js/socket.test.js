import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Outbox } from "./outbox.js";
import { ConversationSocket } from "./socket.js";

class Server {
  constructor(url) {
    this.url = url;
    this.readyState = 0;
    this.heard = [];
  }
  accept() {
    this.readyState = 1;
    this.onopen();
  }
  send(text) {
    this.heard.push(JSON.parse(text));
  }
  say(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }
  close(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}
const events = (...sequences) => ({ type: "events", events: sequences.map((sequence) => ({ sequence })) });
const message = { type: "message", client_id: "m", text: "hello" };

let servers, shown, states, socket;
beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  [servers, shown, states] = [[], [], []];
  const storage = { getItem: () => null, setItem() {}, removeItem() {} };
  socket = new ConversationSocket({
    url: "ws://here/sockets/events/1",
    after: 2,
    outbox: new Outbox(storage, "k"),
    connect: (url) => (servers.push(new Server(url)), servers.at(-1)),
    random: () => 1,
  });
  socket.addEventListener("events", ({ detail }) => shown.push(...detail.map((event) => event.sequence)));
  socket.addEventListener("connection", ({ detail }) => states.push(detail.state));
  socket.open();
  servers[0].accept();
});

test("it asks for what comes after its cursor, and goes on from there when it comes again", () => {
  assert.equal(servers[0].url, "ws://here/sockets/events/1?after=2&html=1");
  servers[0].say(events(3, 4));
  servers[0].close();
  mock.timers.tick(500);
  assert.equal(servers[1].url, "ws://here/sockets/events/1?after=4&html=1");
});

test("an event that comes twice is told once", () => {
  servers[0].say(events(3, 4));
  servers[0].say(events(4, 5));
  assert.deepEqual(shown, [3, 4, 5]);
});

test("a message that was not acknowledged is sent again with the same id", () => {
  socket.say(message);
  servers[0].close();
  mock.timers.tick(500);
  servers[1].accept();
  assert.deepEqual(servers[1].heard, [message]);
  servers[1].say({ type: "ack", client_id: "m", sequence: 3 });
  servers[1].close();
  mock.timers.tick(1000);
  servers[2].accept();
  assert.deepEqual(servers[2].heard, []);
});

test("a message said while the connection is away is sent when it is back", () => {
  servers[0].close();
  socket.say(message);
  mock.timers.tick(500);
  servers[1].accept();
  assert.deepEqual(servers[1].heard, [message]);
});

test("a connection that acknowledges nothing is taken for dead", () => {
  socket.say(message);
  mock.timers.tick(8_000);
  assert.deepEqual(states, ["reconnecting"]);
  mock.timers.tick(500);
  assert.equal(servers.length, 2);
});

test("what could not be stored stays in the outbox and is sent again until it is, less and less often", () => {
  const delays = [];
  socket.addEventListener("delayed", ({ detail }) => delays.push(detail?.message));
  const unavailable = { type: "error", code: "unavailable", message: "later", client_id: "m", retryable: true };
  socket.say(message);
  servers[0].say(unavailable);
  assert.equal(socket.outbox.messages.length, 1);
  mock.timers.tick(1_000);
  assert.deepEqual(servers[0].heard, [message, message]);
  servers[0].say(unavailable);
  mock.timers.tick(1_999);
  assert.equal(servers[0].heard.length, 2);
  mock.timers.tick(1);
  assert.equal(servers[0].heard.length, 3);
  servers[0].say({ type: "ack", client_id: "m", sequence: 3 });
  mock.timers.tick(60_000);
  assert.equal(servers[0].heard.length, 3);
  assert.deepEqual(delays, ["later", "later", undefined]);
});

test("what waits to be sent again is sent once by the connection that takes the lost one's place", () => {
  socket.say(message);
  servers[0].say({ type: "error", code: "disk_full", message: "later", client_id: "m", retryable: true });
  servers[0].close();
  mock.timers.tick(500);
  servers[1].accept();
  mock.timers.tick(7_000);
  assert.deepEqual(servers[1].heard, [message]);
});

test("what is refused leaves the outbox", () => {
  const refused = [];
  socket.addEventListener("refused", ({ detail }) => refused.push(detail.frame.text));
  socket.say(message);
  servers[0].say({ type: "error", code: "invalid", message: "no", client_id: "m" });
  assert.deepEqual(refused, ["hello"]);
  assert.equal(socket.outbox.messages.length, 0);
});

test("what was seen is said at once after a hundred events, else a moment later", () => {
  servers[0].say(events(3));
  assert.deepEqual(servers[0].heard, []);
  mock.timers.tick(250);
  assert.deepEqual(servers[0].heard, [{ type: "seen", sequence: 3 }]);
  servers[0].say(events(...Array.from({ length: 100 }, (_, index) => index + 4)));
  assert.deepEqual(servers[0].heard.at(-1), { type: "seen", sequence: 103 });
});

test("the wait grows with each failure and begins anew after a frame", () => {
  servers[0].close();
  mock.timers.tick(500);
  servers[1].close();
  mock.timers.tick(999);
  assert.equal(servers.length, 2);
  mock.timers.tick(1);
  servers[2].accept();
  servers[2].say({ type: "replayed", sequence: 2 });
  servers[2].close();
  mock.timers.tick(500);
  assert.equal(servers.length, 4);
});

test("without a session, and where there is nothing, it does not come again", () => {
  servers[0].close(4001);
  mock.timers.tick(60_000);
  socket.hurry();
  assert.equal(servers.length, 1);
  assert.deepEqual(states, ["signed-out"]);
});

test("one that was too slow comes again from its cursor", () => {
  servers[0].say(events(3));
  servers[0].close(4008);
  mock.timers.tick(500);
  assert.match(servers[1].url, /after=3&/);
});

test("a socket that was given up is not heard any more", () => {
  socket.renew();
  servers[0].onmessage({ data: JSON.stringify(events(3)) });
  assert.deepEqual(shown, []);
});

test("a line on which nothing comes any more is given up, and one that speaks is not", () => {
  for (let n = 0; n < 4; n++) {
    mock.timers.tick(30_000);
    servers[0].say({ type: "status" });
  }
  assert.equal(servers.length, 1);
  mock.timers.tick(75_000);
  assert.equal(states.at(-1), "reconnecting");
  mock.timers.tick(500);
  assert.equal(servers.length, 2);
});

test("one that was never answered is given up too", () => {
  servers[0].close();
  mock.timers.tick(500);
  mock.timers.tick(75_000);
  mock.timers.tick(1_000);
  assert.equal(servers.length, 3);
});
