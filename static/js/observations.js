// How an observation that comes alone gets into its action: what the action's template does where it has both.

/** The observations in `root` that are in no slot yet. */
export function waiting(root) {
  return Array.from(root.children).filter((node) => node.dataset.observationOf);
}

export function place(observation, action) {
  const { tone, label } = observation.dataset;
  action.dataset.tone = tone;
  const outcome = action.querySelector("[data-outcome-label]");
  if (outcome) outcome.textContent = label;
  const step = action.querySelector("details.step");
  if (step && "open" in observation.dataset) step.open = true;
  action.querySelector(".slot").replaceChildren(observation);
}
