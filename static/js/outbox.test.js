import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "./outbox.js";

class Storage extends Map {
  getItem = (key) => this.get(key) ?? null;
  setItem = (key, value) => void this.set(key, value);
  removeItem = (key) => void this.delete(key);
}
const message = { type: "message", client_id: "a", text: "hello" };

test("a message outlives a reload until it is settled", () => {
  const storage = new Storage();
  new Outbox(storage, "k").add(message);
  const reloaded = new Outbox(storage, "k");
  assert.deepEqual(reloaded.messages, [message]);
  assert.deepEqual(reloaded.settle("a"), message);
  assert.deepEqual(new Outbox(storage, "k").frames, []);
});

test("an order is kept while the page is open and not beyond", () => {
  const storage = new Storage();
  const outbox = new Outbox(storage, "k");
  outbox.add({ type: "stop", client_id: "s" });
  assert.equal(outbox.frames.length, 1);
  assert.equal(new Outbox(storage, "k").frames.length, 0);
});

test("a storage that refuses loses nothing while the page is open", () => {
  const refuse = () => {
    throw new Error("QuotaExceededError");
  };
  const outbox = new Outbox({ getItem: refuse, setItem: refuse, removeItem: refuse }, "k");
  outbox.add(message);
  assert.deepEqual(outbox.messages, [message]);
});

test("what is settled twice is settled once", () => {
  const outbox = new Outbox(new Storage(), "k");
  outbox.add(message);
  outbox.settle("a");
  assert.equal(outbox.settle("a"), undefined);
});
