#!/usr/bin/env node
"use strict"

require("./launch.js")("code-mode-host", [])
