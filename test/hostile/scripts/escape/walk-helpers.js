// Walks over everything reachable from every helper.
// {"ends": ["ok"], "text": "^contained$", "seconds": 20}
for (
  const name
    of "text image audio generatedImage content store load notify yield_control exit setTimeout clearTimeout as_settled stream_settled tools ALL_TOOLS"
      .split(" ")
) {
  kit.probe(name, globalThis[name])
}
kit.verdict()
