// Tools named like what every object inherits; one named __proto__ is assigned like any other and changes nothing else.
// {"ends": ["ok"], "text": "^untouched$"}
const names = ["constructor", "toString", "hasOwnProperty", "then", "valueOf"]
for (const name of names) {
  text(Object.hasOwn(tools, name) ? await tools[name](name) : "ESCAPED: " + name + " is not there")
}
text(({}).call === undefined && Object.getPrototypeOf({}) === Object.prototype ? "untouched" : "ESCAPED")
