// The one script of every page: htmx for request and response, custom elements for what is live.
import "htmx.org";
