/** A session: the processes it runs in, and what its cells have stored. */
import { useEffect, useState } from "preact/hooks"
import type { SessionView, StoredView } from "../../src/inspector/PageMessage.ts"
import { isLive } from "./cells.ts"
import { storedOf } from "./connection.ts"
import * as format from "./format.ts"
import { Log } from "./Log.tsx"
import { store } from "./store.ts"

const Stored = ({ session }: { readonly session: SessionView }) => {
  const [stored, setStored] = useState<StoredView>()
  useEffect(() => {
    let isCurrent = true
    void storedOf(session.key).then((stored) => isCurrent && setStored(stored))
    return () => {
      isCurrent = false
    }
  }, [session.key, session.storedVersion, session.endedAt])
  if (session.endedAt !== undefined) {
    return <p class="dim">The session has ended, and what it had stored with it.</p>
  }
  if (stored === undefined || stored.values.length === 0) {
    return (
      <p class="dim">
        Nothing is stored. Cells keep values with <code>store(key, value)</code>.
      </p>
    )
  }
  return (
    <div class="stored">
      {stored.values.map(({ json, name }) => (
        <details key={name}>
          <summary>
            <span class="mono stored-name">{format.seen(name)}</span>
            <span class="mono dim stored-line">
              {format.seen((json.text ?? "").replaceAll(/\s+/g, " ").slice(0, 120))}
            </span>
          </summary>
          <pre class="code" tabIndex={0} aria-label={`Value of ${name}`}>
            {format.seen(json.text ?? "")}
            {json.omitted > 0 && `\n… ${format.count(json.omitted)} more characters`}
          </pre>
        </details>
      ))}
      {stored.omitted > 0 && <p class="dim">and {format.plural(stored.omitted, "more value")}</p>}
    </div>
  )
}

export const SessionPane = ({ session }: { readonly session: SessionView }) => {
  const cells = Array.from(store.cells.values()).filter((cell) => cell.session === session.key)
  const live = cells.filter(isLive).length
  return (
    <div class="pane session-pane">
      <header class="pane-head">
        <div class="pane-title">
          <h1>{session.name}</h1>
          <p class="dim">
            {session.endedAt === undefined ? "since" : "from"} {format.clock(session.startedAt)}
            {session.endedAt !== undefined && ` to ${format.clock(session.endedAt)}`}
            {" · "}
            {format.plural(cells.length, "cell")}
            {live > 0 && `, ${live} live`}
          </p>
        </div>
      </header>
      <div class="cards">
        <section class="card">
          <h2>Processes</h2>
          {session.lanes.length === 0
            ? (
              <p class="dim">
                {session.kept === true
                  ? "None: a store keeps it until it is opened."
                  : session.endedAt === undefined
                  ? "None: it has run nothing yet."
                  : "None any more."}
              </p>
            )
            : (
              <table>
                <thead>
                  <tr>
                    <th scope="col">Lane</th>
                    <th scope="col">Memory</th>
                    <th scope="col">Processor</th>
                  </tr>
                </thead>
                <tbody>
                  {session.lanes.map((lane) => (
                    <tr key={lane.pid}>
                      <td>pid {lane.pid}</td>
                      <td>{format.bytes(lane.memoryBytes)}</td>
                      <td>
                        <span class="meter">
                          <span style={{ width: `${Math.min(100, lane.cores * 100)}%` }} />
                        </span>
                        {format.cores(lane.cores)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
        </section>
        <section class="card wide">
          <h2>Stored values</h2>
          <Stored session={session} />
        </section>
        <section class="card wide log-card">
          <h2>Log</h2>
          <Log isAbout={(line) => line.session === undefined || line.session === session.name} />
        </section>
      </div>
    </div>
  )
}
