// A static import of the inner module.
// {"ends": ["ScriptError"], "text": "Unsupported import"}
import { begin } from "bridge"
kit.probe("begin", begin)
text("ESCAPED: imported")
