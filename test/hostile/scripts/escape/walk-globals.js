// Walks over everything reachable from the global object.
// {"ends": ["ok"], "text": "^contained$", "seconds": 20}
kit.probe("globalThis", globalThis)
kit.verdict()
