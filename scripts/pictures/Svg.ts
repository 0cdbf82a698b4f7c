/** What all pictures have in common: one font, and colours for light and for dark. */

export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const colours = {
  light: {
    back: "#ffffff",
    edge: "#d0d7de",
    text: "#1f2328",
    dim: "#656d76",
    mark: "#0f6f76",
    soft: "#e3f1f2",
    warn: "#b35900"
  },
  dark: {
    back: "#161b22",
    edge: "#3d444d",
    text: "#e6edf3",
    dim: "#9198a1",
    mark: "#6fd0d6",
    soft: "#1d3a3d",
    warn: "#f0a35e"
  }
}

const variables = (theme: Record<string, string>) =>
  Object.entries(theme).map(([name, value]) => `--${name}:${value}`).join(";")

const css = `
:root{${variables(colours.light)}}
@media (prefers-color-scheme:dark){:root{${variables(colours.dark)}}}
text{font:13px ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;fill:var(--text)}
.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
.dim{fill:var(--dim)}.mark{fill:var(--mark)}.warn{fill:var(--warn)}.bold{font-weight:600}.small{font-size:11.5px}
.middle{text-anchor:middle}.end{text-anchor:end}
.back{fill:var(--back);stroke:var(--edge)}
.box{fill:var(--soft);stroke:var(--mark);stroke-width:1.25}
.line{fill:none;stroke:var(--dim);stroke-width:1.25}.rule{stroke:var(--edge)}
.bar{fill:var(--mark)}.bar.warn{fill:var(--warn)}.bar.dim{fill:var(--edge)}
.head{fill:var(--dim)}`

const arrowHead =
  `<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse">` +
  `<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>`

export interface Picture {
  readonly width: number
  readonly height: number
  /** What is told to those who do not see it. */
  readonly title: string
  readonly css?: string
  readonly body: ReadonlyArray<string>
}

export const svg = ({ body, css: more = "", height, title, width }: Picture): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${css.trim()}${more}</style>`,
    arrowHead,
    `<rect class="back" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...body,
    "</svg>",
    ""
  ].join("\n")

export const text = (x: number, y: number, words: string, classes = ""): string =>
  `<text x="${x}" y="${y}"${classes === "" ? "" : ` class="${classes}"`}>${escape(words)}</text>`

/** An arrow along a path, and words beside it. */
export const arrow = (path: string): string => `<path class="line" d="${path}" marker-end="url(#head)"/>`

export const box = (x: number, y: number, width: number, height: number): string =>
  `<rect class="box" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`
