// One array buffer of two gigabytes, written to.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
new Uint8Array(new ArrayBuffer(2 ** 31)).fill(1)
