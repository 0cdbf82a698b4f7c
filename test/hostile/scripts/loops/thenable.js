// A thenable that resolves to itself.
// {"ends": ["Terminated"]}
const t = { then: (resolve) => resolve(t) }
await t
