// exit within the stack of a thrown object.
// {"ends": ["ok"]}
throw {
  get stack() {
    exit()
  }
}
