/** What a cell has put out, in order. All of it is text of others. */
import { useRef, useState } from "preact/hooks"
import type { CellView, ItemView } from "../../src/inspector/PageMessage.ts"
import { isLive } from "./cells.ts"
import * as format from "./format.ts"
import { useFollow } from "./hooks.ts"
import type { Focus } from "./store.ts"

const shownAtFirst = 200
const foldedAt = 4000

/** Pictures and sounds that are in their URL. Nothing is loaded from elsewhere, and the browser would not do it. */
const isImage = (url: string) => /^data:image\/(?:png|jpeg|gif|webp|avif|bmp|svg\+xml)[;,]/i.test(url)
const isAudio = (url: string) => /^data:audio\/[\w.+-]+[;,]/i.test(url)

const Text = ({ kind, text }: { readonly kind: ItemView["kind"]; readonly text: string }) => {
  const [open, setOpen] = useState(false)
  const isLong = text.length > foldedAt
  const shown = isLong && !open ? text.slice(0, foldedAt) : text
  return (
    <>
      <pre class={`item-text ${kind}`} dir="ltr">{format.seen(shown)}{isLong && !open && "…"}</pre>
      {isLong && (
        <button class="link" onClick={() => setOpen(!open)}>
          {open ? "Show less" : `Show all ${format.count(text.length)} characters`}
        </button>
      )}
    </>
  )
}

const Image = ({ url }: { readonly url: string }) => {
  const [size, setSize] = useState("")
  const [broken, setBroken] = useState(false)
  const type = /^data:image\/([\w+]+)/i.exec(url)?.[1] ?? ""
  return broken
    ? <p class="item-note">An image that the browser cannot show ({type}, {format.bytes(url.length * 0.75)}).</p>
    : (
      <figure>
        <img
          src={url}
          alt="Image that the cell has put out"
          onLoad={({ currentTarget }) => setSize(`${currentTarget.naturalWidth} × ${currentTarget.naturalHeight}`)}
          onError={() => setBroken(true)}
        />
        <figcaption class="dim">{type} {size} {format.bytes(url.length * 0.75)}</figcaption>
      </figure>
    )
}

const Elsewhere = ({ url }: { readonly url: string }) => (
  <p class="item-note">
    Not loaded, as it is elsewhere: <span class="mono">{format.seen(url.slice(0, 300))}{url.length > 300 && "…"}</span>
  </p>
)

const Content = ({ item }: { readonly item: ItemView }) => {
  const { kind, omitted, text } = item
  if (text === null) {
    return <p class="item-note">This was put out long ago and is not kept any more.</p>
  }
  if ((kind === "image" || kind === "audio") && omitted !== undefined) {
    return (
      <p class="item-note">
        {kind === "image" ? "An image" : "Audio"} of {format.bytes(omitted * 0.75)}, too large to be kept here.
      </p>
    )
  }
  switch (kind) {
    case "image":
      return isImage(text) ? <Image url={text} /> : <Elsewhere url={text} />
    case "audio":
      return isAudio(text) ? <audio controls src={text} preload="metadata" /> : <Elsewhere url={text} />
    default:
      return (
        <>
          <Text kind={kind} text={text} />
          {omitted !== undefined && <p class="item-note">{format.count(omitted)} more characters were not kept.</p>}
        </>
      )
  }
}

const label = { notification: "notified", error: "error", text: "", image: "", audio: "" } as const

export const Output = ({ cell, focus }: { readonly cell: CellView; readonly focus: Focus }) => {
  const [limit, setLimit] = useState(shownAtFirst)
  const box = useRef<HTMLDivElement>(null)
  const items = focus.items.slice(-limit)
  const hidden = focus.items.length - items.length

  const onScroll = useFollow(box, focus.nextItem, isLive(cell))

  if (focus.items.length === 0) {
    return (
      <div class="empty">
        <p>{isLive(cell) ? "No output yet." : "This cell put out nothing."}</p>
        <p class="dim">Text, images and notifications appear here.</p>
      </div>
    )
  }
  return (
    <div
      ref={box}
      class="output"
      tabIndex={0}
      role="log"
      aria-label="Output"
      onScroll={({ currentTarget }) => onScroll(currentTarget)}
    >
      {focus.missedItems > 0 && <p class="item-note">{format.plural(focus.missedItems, "earlier item")} left out.</p>}
      {hidden > 0 && (
        <button class="link" onClick={() => setLimit(limit + 1000)}>
          Show earlier output ({format.plural(hidden, "item")})
        </button>
      )}
      {items.map(({ item, number }) => (
        <div key={number} class={`item ${item.kind}`}>
          <span class="item-at">{format.duration(Math.max(0, item.at - cell.startedAt))}</span>
          <div class="item-main">
            {label[item.kind] !== "" && (
              <span class={`tag ${item.kind === "error" ? "bad" : ""}`}>{label[item.kind]}</span>
            )}
            <Content item={item} />
          </div>
        </div>
      ))}
    </div>
  )
}
