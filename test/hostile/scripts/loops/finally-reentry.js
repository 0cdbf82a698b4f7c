// Every way out of the loop leads back into it.
// {"ends": ["Terminated"]}
for (;;) {
  try {
    throw 1
  } finally {
    continue
  }
}
