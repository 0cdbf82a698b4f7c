// An endless loop in a replacement callback.
// {"ends": ["Terminated"]}
"x".replace(/x/, () => {
  for (;;);
})
