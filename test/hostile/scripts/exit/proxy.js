// exit within a proxy trap.
// {"ends": ["ok"]}
tools.echo(
  new Proxy({}, {
    ownKeys() {
      exit()
    }
  })
)
text("ESCAPED: after exit")
