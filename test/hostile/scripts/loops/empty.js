// The plainest endless loop.
// {"ends": ["Terminated"]}
for (;;);
