/** The parts of it all, and what goes between them. */
import { arrow, box, svg, text } from "./Svg.ts"

const part = (x: number, y: number, width: number, height: number, name: string, ...lines: ReadonlyArray<string>) => [
  box(x, y, width, height),
  text(x + width / 2, y + 24, name, "bold middle"),
  ...lines.map((line, index) => text(x + width / 2, y + 43 + 16 * index, line, "small dim middle"))
]

const between = (x: number, y: number, words: string, classes = "middle") => text(x, y, words, `small mark ${classes}`)

export const picture = (): string =>
  svg({
    width: 800,
    height: 330,
    title:
      "A model's source becomes a cell, in an isolate in a process of its own. The cell calls your tools through a delegate",
    body: [
      `<rect class="rule" fill="none" stroke-dasharray="4 4" x="196" y="24" width="362" height="282" rx="10"/>`,
      text(212, 46, "your program", "small dim"),
      ...part(24, 88, 130, 60, "Model", "writes JavaScript"),
      ...part(
        216,
        76,
        320,
        84,
        "Session",
        "which cell runs, what was put out, what is stored,",
        "who waits, what is over"
      ),
      ...part(216, 226, 320, 60, "Delegate", "approvals, policies, timeouts, caches, redaction"),
      ...part(24, 226, 130, 60, "Tools", "yours, or from MCP"),
      `<rect class="rule" fill="none" stroke-dasharray="4 4" x="604" y="24" width="172" height="282" rx="10"/>`,
      text(620, 46, "a process for each session", "small dim"),
      ...part(622, 76, 136, 84, "Cell", "a V8 isolate: no files,", "network, environment"),
      ...part(622, 226, 136, 60, "Cell", "the next one"),
      arrow("M154 106H214"),
      between(184, 98, "exec"),
      arrow("M216 134H156"),
      between(185, 152, "output"),
      arrow("M536 102H620"),
      between(580, 94, "source"),
      arrow("M622 138H538"),
      between(580, 156, "output, calls"),
      arrow("M340 160V224"),
      between(332, 197, "a fiber for each call", "end"),
      arrow("M412 226V162"),
      between(420, 197, "results, failures", ""),
      arrow("M216 248H156"),
      arrow("M154 268H214")
    ]
  })
