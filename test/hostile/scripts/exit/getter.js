// exit within a getter that a helper reads.
// {"ends": ["ok"]}
text({
  get a() {
    exit()
  }
})
text("ESCAPED: after exit")
