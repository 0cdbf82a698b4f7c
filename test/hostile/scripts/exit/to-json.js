// exit within toJSON of a stored value.
// {"ends": ["ok"]}
store("k", {
  toJSON() {
    exit()
  }
})
text("ESCAPED: after exit")
