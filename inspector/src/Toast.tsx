/** What has become of something that was asked for. */
import { useEffect, useState } from "preact/hooks"

let show: (text: string) => void = () => {}

export const say = (text: string): void => show(text)

export const Toast = () => {
  const [text, setText] = useState("")
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    show = (said) => {
      clearTimeout(timer)
      setText(said)
      timer = setTimeout(() => setText(""), 4000)
    }
    return () => clearTimeout(timer)
  }, [])
  return <div class={`toast ${text === "" ? "" : "shown"}`} role="status">{text}</div>
}
