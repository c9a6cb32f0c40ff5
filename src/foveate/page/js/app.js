// The page of a server: it starts here. (A file with the model inside starts the same page.)

import { openHttpEngine } from "./engine_http.js";
import { startPage } from "./page.js";

startPage(() => openHttpEngine());
