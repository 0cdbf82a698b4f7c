#!/usr/bin/env node
"use strict"

require("./launch.js")("effect-code-mode", ["run", "repl", "mcp", "host", "inspect", "sessions", "doctor"])
