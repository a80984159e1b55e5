import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "./backoff.js";

test("the wait doubles from half a second to ten seconds", () => {
  const most = () => 1;
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((attempt) => backoff(attempt, most)), [500, 1000, 2000, 4000, 8000, 10000, 10000]);
});

test("chance takes up to a half of the wait off", () => {
  assert.equal(backoff(1, () => 0), 500);
});
