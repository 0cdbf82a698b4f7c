// Throws what cannot be described.
// {"ends": ["ScriptError"], "text": "unknown code mode exception|."}
const { proxy, revoke } = Proxy.revocable({}, {})
revoke()
throw proxy
