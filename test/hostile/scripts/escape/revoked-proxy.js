// Revoked proxies in every argument.
// {"ends": ["ok", "ScriptError"], "text": "contained$|revoked"}
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable(() => {}, {})
  revoke()
  return proxy
}
for (
  const f of [
    text,
    image,
    audio,
    generatedImage,
    content,
    notify,
    tools.echo,
    as_settled,
    stream_settled,
    load,
    clearTimeout,
    setTimeout,
    (x) => store(x, x)
  ]
) {
  try {
    const result = f(revoked(), revoked())
    kit.probe("result", result)
    result?.catch?.(() => {})
  } catch (e) {
    kit.probe("thrown", e)
  }
}
kit.verdict()
