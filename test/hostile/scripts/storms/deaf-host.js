// Says much to a host that does not listen.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"], "seconds": 2, "deafSeconds": 1.5, "residentMebibytes": 250}
for (;;) text("x".repeat(1e5))
