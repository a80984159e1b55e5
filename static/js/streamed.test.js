import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamedReply } from "./streamed.js";

const delta = (offset, text, rest = {}) => ({ attempt: 1, channel: "text", index: 0, offset, text, ...rest });

test("pieces are put together in order", () => {
  const reply = new StreamedReply("c");
  reply.apply(delta(0, "Hel"));
  reply.apply(delta(3, "lo"));
  assert.equal(reply.text, "Hello");
});

test("a piece that comes again or overlaps is not shown twice", () => {
  const reply = new StreamedReply("c");
  reply.apply(delta(0, "Hello"));
  assert.equal(reply.apply(delta(0, "Hel")), false);
  reply.apply(delta(3, "lo, you"));
  assert.equal(reply.text, "Hello, you");
});

test("a piece that was dropped leaves a visible gap, and what follows joins", () => {
  const reply = new StreamedReply("c");
  reply.apply(delta(0, "Hello"));
  reply.apply(delta(20, "world"));
  reply.apply(delta(25, "!"));
  assert.equal(reply.text, "Hello … world!");
});

test("a new attempt begins anew and an old one is not heard any more", () => {
  const reply = new StreamedReply("c");
  reply.apply(delta(0, "Hello"));
  reply.apply(delta(0, "Good", { attempt: 2 }));
  assert.equal(reply.apply(delta(5, " you")), false);
  assert.equal(reply.text, "Good");
});

test("offsets count characters, not halves of them", () => {
  const reply = new StreamedReply("c");
  reply.apply(delta(0, "🙂🙂"));
  reply.apply(delta(2, "!"));
  assert.equal(reply.text, "🙂🙂!");
});

test("calls are only counted, each by its index", () => {
  const reply = new StreamedReply("c");
  reply.apply(delta(0, '{"a"', { channel: "arguments", index: 0 }));
  reply.apply(delta(0, "{}", { channel: "arguments", index: 1 }));
  assert.equal(reply.argumentsLength, 6);
  assert.equal(reply.text, "");
});
