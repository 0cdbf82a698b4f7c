// Overflows the stack for ever and catches it.
// {"ends": ["Terminated"]}
for (;;) {
  try {
    ;(function f() {
      f()
    })()
  } catch {}
}
