import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { arrived, dispatch, read, reopen, write } from "./drafts.js";

beforeEach(() => {
  const items = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, text) => items.set(key, text),
    removeItem: (key) => items.delete(key),
  };
});

test("what was sent is kept until it has arrived", () => {
  dispatch("d", "hello");
  assert.equal(read("d"), "hello");
  arrived("d");
  assert.equal(read("d"), "");
});

for (const [what, change] of [["shown again", reopen], ["changed", (key) => write(key, "hello")]]) {
  test(`what was ${what} since is a draft, which the arrival of another does not take away`, () => {
    dispatch("d", "hello");
    change("d");
    arrived("d");
    assert.equal(read("d"), "hello");
  });
}

test("storage that refuses costs the draft and nothing else", () => {
  globalThis.sessionStorage = {
    setItem() {
      throw new Error("full");
    },
    getItem() {
      throw new Error("forbidden");
    },
  };
  dispatch("d", "hello");
  arrived("d");
  assert.equal(read("d"), "");
});
