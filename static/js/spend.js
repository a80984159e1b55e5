// What was spent, as the server's template says it too.
export function spendText({ cost, unpriced_calls }) {
  if (cost === null) return "Cost unknown";
  return `$${cost.toFixed(cost > 0 && cost < 0.01 ? 4 : 2)}${unpriced_calls ? " and what is unknown" : ""}`;
}
