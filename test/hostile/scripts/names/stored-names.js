// Stored values named like what every object inherits.
// {"ends": ["ok"], "text": "^done$"}
for (
  const key of ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "", "a\nb", "\u0000", "\ud800"]
) {
  if (load(key) !== undefined) text("ESCAPED: " + key)
  store(key, key)
  if (load(key) === undefined) text("ESCAPED: lost " + key)
}
text("done")
