// The page of a file that holds its models: it starts here, in the place of js/app.js.

import { startPage } from "../js/page.js";
import { openModelEngine } from "./model.js";
import { PackedFiles } from "./packed.js";

startPage(() => openModelEngine(new PackedFiles()));
