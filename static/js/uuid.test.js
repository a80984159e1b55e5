import assert from "node:assert/strict";
import { test } from "node:test";
import { uuid } from "./uuid.js";

test("without a secure context a UUID is made of random bytes", () => {
  const source = { getRandomValues: (bytes) => bytes.fill(0xff) };
  assert.equal(uuid(source), "ffffffff-ffff-4fff-bfff-ffffffffffff");
});

test("the browser's own is taken where there is one", () => {
  assert.match(uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
