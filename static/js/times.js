// Moments in words.
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const DAYS_IN_WORDS = 7;

/** "just now", "3 minutes ago", "yesterday"; a date for what is older than a week. */
export function ago(moment, now = new Date(), locale = "en-GB") {
  const seconds = (moment - now) / 1000;
  if (-seconds > DAYS_IN_WORDS * 86_400) return moment.toLocaleDateString(locale, { dateStyle: "medium" });
  const found = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  if (!found) return "just now";
  const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  return words.format(Math.round(seconds / found[1]), found[0]);
}

/** Whole seconds as the server writes them of what is over. */
export function duration(seconds) {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The hour and minute, with the date before it where the day is another. */
export function clock(moment, now = new Date(), locale = undefined) {
  const time = moment.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  if (moment.toDateString() === now.toDateString()) return time;
  return `${moment.toLocaleDateString(locale, { day: "numeric", month: "short" })}, ${time}`;
}
