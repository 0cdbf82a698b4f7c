// An endless loop in a finally block, entered by a throw.
// {"ends": ["Terminated"]}
try {
  throw 1
} finally {
  for (;;);
}
