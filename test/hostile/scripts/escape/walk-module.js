// Walks over the module's own objects.
// {"ends": ["ok"], "text": "^contained$", "seconds": 20}
kit.probe("import.meta", import.meta)
kit.probe("this", this)
kit.probe("eval this", (0, eval)("this"))
kit.verdict()
