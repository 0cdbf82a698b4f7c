// A comparator that does not return.
// {"ends": ["Terminated"]}
;[2, 1].sort(() => {
  for (;;);
})
