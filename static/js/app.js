// The one module every page loads. Small behaviours, attached by data-* attributes; a page works without them.

import "./ui/card.js";
import "./ui/countdown.js";
import "./ui/fold.js";
import "./ui/menu.js";
import "./ui/pick.js";
import "./ui/press.js";
import "./ui/theme.js";
import "./ui/toast.js";
import "./ui/zone.js";
