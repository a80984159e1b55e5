import assert from "node:assert/strict";
import { test } from "node:test";
import { ordersFor } from "./controls.js";

test("an agent at work can be paused and stopped", () => {
  for (const state of ["starting", "running", "awaiting_confirmation"]) assert.deepEqual(ordersFor(state), ["pause", "stop"]);
});

test("a paused one goes on or stops", () => assert.deepEqual(ordersFor("paused"), ["resume", "stop"]));

test("one that was ended by something can go on", () => {
  for (const state of ["stopped", "error", "stuck", "limit_reached"]) assert.deepEqual(ordersFor(state), ["resume"]);
});

test("one that waits for words takes no order", () => {
  for (const state of ["idle", "finished", "gone"]) assert.deepEqual(ordersFor(state), []);
});
