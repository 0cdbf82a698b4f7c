// Proxies of proxies.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let p = {}
for (;;) p = new Proxy(p, {})
