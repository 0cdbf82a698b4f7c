// Weak references reveal nothing after a collection.
// {"ends": ["ok"], "text": "^contained$", "seconds": 20}
const refs = [new WeakRef(tools.echo(1)), new WeakRef(as_settled([])), new WeakRef({})]
for (let i = 0; i < 200; i++) new Array(1e5).fill(i)
await tools.echo(1)
for (const ref of refs) kit.probe("deref", ref.deref())
kit.verdict()
