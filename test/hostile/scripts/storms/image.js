// Images without end.
// {"ends": ["Terminated", "LimitExceeded"]}
const url = "data:image/png;base64," + "A".repeat(1e5)
for (;;) image(url)
