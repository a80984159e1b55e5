import assert from "node:assert/strict";
import { test } from "node:test";
import { spendText } from "./spend.js";

test("small amounts keep their digits", () => {
  assert.equal(spendText({ cost: 0, unpriced_calls: 0 }), "$0.00");
  assert.equal(spendText({ cost: 0.0012, unpriced_calls: 0 }), "$0.0012");
  assert.equal(spendText({ cost: 1.456, unpriced_calls: 0 }), "$1.46");
});

test("what is not known is said", () => {
  assert.equal(spendText({ cost: null, unpriced_calls: 3 }), "Cost unknown");
  assert.equal(spendText({ cost: 0.5, unpriced_calls: 1 }), "$0.50 and what is unknown");
});
