// Goes on after exit.
// {"ends": ["ok"]}
try {
  exit()
} finally {
  for (;;);
}
