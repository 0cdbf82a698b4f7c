// Goes on after every refusal of a call.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) {
  try {
    tools.hold(1)
  } catch {}
}
