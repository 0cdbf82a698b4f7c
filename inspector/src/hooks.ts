/** How components hear of what has changed. */
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks"
import { store } from "./store.ts"

/** Renders again with every change of what the page knows. */
export const useStore = () => {
  const [, render] = useReducer((count: number) => count + 1, 0)
  useEffect(() => store.subscribe(() => render(undefined as never)), [])
  return store
}

/** Renders so often, as long as something moves by itself. */
export const useTicks = (isOn: boolean, millis: number): void => {
  const [, render] = useState(0)
  useEffect(() => {
    if (!isOn) {
      return
    }
    const timer = setInterval(() => document.visibilityState === "visible" && render((count) => count + 1), millis)
    return () => clearInterval(timer)
  }, [isOn, millis])
}

/** Keeps a list at its end as it grows. What it gives hears of scrolling: away from the end, the list stays where it is. */
export const useFollow = (box: { readonly current: HTMLElement | null }, end: number, goesOn = true) => {
  const follows = useRef(true)
  useEffect(() => {
    if (box.current !== null && follows.current && goesOn) {
      box.current.scrollTop = box.current.scrollHeight
    }
  }, [end])
  return ({ clientHeight, scrollHeight, scrollTop }: HTMLElement): void => {
    follows.current = scrollTop + clientHeight >= scrollHeight - 4
  }
}

/** How large an element is. */
export const useSize = <E extends HTMLElement>() => {
  const ref = useRef<E>(null)
  const [element, setElement] = useState<E | null>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  // It may not be there at first, and another one later.
  useLayoutEffect(() => setElement(ref.current))
  useLayoutEffect(() => {
    if (element === null) {
      return
    }
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight })
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [element])
  return [ref, size] as const
}

export const useMedia = (query: string): boolean => {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const listen = () => setMatches(list.matches)
    list.addEventListener("change", listen)
    return () => list.removeEventListener("change", listen)
  }, [query])
  return matches
}
