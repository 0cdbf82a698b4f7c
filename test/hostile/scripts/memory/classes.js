// Classes without end.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) {
  a.push(
    class {
      #x = 1
      static y = []
    }
  )
}
