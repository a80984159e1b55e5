import assert from "node:assert/strict";
import { test } from "node:test";
import { isSending } from "./composer-field.js";

const key = (rest) => ({ key: "Enter", shiftKey: false, isComposing: false, keyCode: 13, ...rest });

test("Enter sends, Shift+Enter does not", () => {
  assert.equal(isSending(key()), true);
  assert.equal(isSending(key({ shiftKey: true })), false);
});

test("on a touch screen Enter is a new line", () => assert.equal(isSending(key(), true), false));

test("an Enter that chooses a character does not send", () => {
  assert.equal(isSending(key({ isComposing: true })), false);
  assert.equal(isSending(key({ keyCode: 229 })), false);
});
