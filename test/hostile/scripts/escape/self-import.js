// A static import of the script's own module.
// {"ends": ["ScriptError"], "text": "Unsupported import"}
import * as self from "exec_main.mjs"
kit.probe("self", self)
text("ESCAPED: imported")
