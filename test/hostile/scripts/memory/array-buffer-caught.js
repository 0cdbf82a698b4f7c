// Goes on after every refusal of a buffer.
// {"ends": ["LimitExceeded", "ScriptError", "Terminated"], "seconds": 3}
const a = []
for (;;) {
  try {
    a.push(new Uint8Array(2 ** 24).fill(1))
  } catch {}
}
