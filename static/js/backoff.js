// How long to wait before the next attempt to connect, in milliseconds: 0.5 s doubling to 10 s, a half of it by chance,
// so that the browsers of a restarted server do not all come at once.
const FIRST = 500;
const MOST = 10_000;

export function backoff(attempt, random = Math.random) {
  const whole = Math.min(MOST, FIRST * 2 ** Math.min(attempt, 10));
  return whole / 2 + (whole / 2) * random();
}
