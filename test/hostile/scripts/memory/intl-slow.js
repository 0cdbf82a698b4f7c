// Date formats, a few between one tool call and the next.
// {"ends": ["LimitExceeded"], "text": "memory limit of 64 MiB: its process held", "seconds": 30, "neighbour": "may be lost"}
const a = []
for (let i = 0;; i++) {
  a.push(new Intl.DateTimeFormat("de-u-ca-buddhist", { timeZone: "Asia/Tokyo", dateStyle: "full" }))
  if (i % 10 === 0) await tools.echo(i)
}
