// Tool calls one after another without end.
// {"ends": ["Terminated"]}
for (let i = 0;; i++) await tools.echo(i)
