// Which orders make sense in which state of the agent.
const AT_WORK = ["starting", "running", "awaiting_confirmation"];
const RESUMABLE = ["paused", "stopped", "error", "stuck", "limit_reached"];

export function ordersFor(state) {
  if (AT_WORK.includes(state)) return ["pause", "stop"];
  if (state === "paused") return ["resume", "stop"];
  return RESUMABLE.includes(state) ? ["resume"] : [];
}
