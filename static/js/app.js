// The one script of every page: htmx for request and response, custom elements for what is live.
// <live-conversation> comes first: the others find its socket when they are connected.
import "htmx.org";
import "./signed-out.js";
import "./request-problem.js";
import "./send-again.js";
import "./live-conversation.js";
import "./event-timeline.js";
import "./older-events.js";
import "./pending-messages.js";
import "./message-composer.js";
import "./new-conversation.js";
import "./agent-controls.js";
import "./agent-status.js";
import "./connection-status.js";
import "./jump-to-newest.js";
import "./confirm-submit.js";
import "./light-dismiss.js";
import "./relative-time.js";
import "./elapsed-time.js";
