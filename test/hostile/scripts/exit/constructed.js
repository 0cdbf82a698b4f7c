// exit by new, by Reflect.construct, by bind.
// {"ends": ["ok"]}
try {
  new exit()
} catch {}
Reflect.apply(exit.bind(1, 2).bind(3), {}, [])
text("ESCAPED: after exit")
