import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, clock, duration } from "./times.js";

const now = new Date("2026-03-10T12:00:00Z");
const before = (seconds) => new Date(now - seconds * 1000);

test("the distance is said in the largest unit that fits", () => {
  assert.equal(ago(before(5), now), "just now");
  assert.equal(ago(before(180), now), "3 minutes ago");
  assert.equal(ago(before(7200), now), "2 hours ago");
  assert.equal(ago(before(86_400), now), "yesterday");
});

test("a clock that runs ahead is not in the future by seconds", () => assert.equal(ago(before(-20), now), "just now"));

test("what is older than a week has a date", () => assert.equal(ago(before(30 * 86_400), now), "8 Feb 2026"));

test("the time of another day has its date", () => {
  assert.match(clock(before(3 * 86_400), now, "en-GB"), /^\d+ Mar, \d\d:\d\d$/);
  assert.match(clock(now, now, "en-GB"), /^\d\d:\d\d$/);
});

test("a duration is said as the server says it", () => {
  assert.equal(duration(42), "42 s");
  assert.equal(duration(125), "2 min 5 s");
});
