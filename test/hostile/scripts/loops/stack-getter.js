// An endless loop in the stack of a thrown object.
// {"ends": ["Terminated"]}
throw {
  get stack() {
    for (;;);
  }
}
