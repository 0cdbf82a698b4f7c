// Formats dates without a pause.
// {"ends": ["Terminated", "LimitExceeded"], "neighbour": "may be lost"}
for (;;) new Date().toLocaleString("th-TH-u-ca-buddhist")
