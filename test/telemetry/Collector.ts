/** A server that takes what a collector of OpenTelemetry takes, and keeps it. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

interface Value {
  readonly stringValue?: string
  readonly intValue?: number
  readonly doubleValue?: number
  readonly boolValue?: boolean
}

type KeyValues = ReadonlyArray<{ readonly key: string; readonly value: Value }>

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes: KeyValues
  readonly status: { readonly code: number; readonly message?: string }
}

export const attributes = (values: KeyValues): Readonly<Record<string, unknown>> =>
  Object.fromEntries(values.map(({ key, value }) => [key, Object.values(value)[0]]))

/** `answer` gives the status for each request to a path, the first of which is 1; 0 is no answer at all. */
export const make = Effect.fnUntraced(function*(answer: (path: string, count: number) => number = () => 200) {
  const requests: Array<
    { readonly path: string; readonly status: number; readonly body: string; readonly at: number }
  > = []
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text) => {
      body += text
    })
    request.on("end", () => {
      const path = request.url!
      const status = answer(path, requests.filter((each) => each.path === path).length + 1)
      requests.push({ path, status, body, at: performance.now() })
      if (status !== 0) {
        response.writeHead(status, { "content-type": "application/json" }).end("{}")
      }
    })
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  const taken = (path: string): ReadonlyArray<any> =>
    requests.flatMap((request) => request.path === path && request.status === 200 ? [JSON.parse(request.body)] : [])
  const spans = (): ReadonlyArray<Span> =>
    taken("/v1/traces").flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }: any) => scopeSpans.flatMap(({ spans }: any) => spans))
    )
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    /** All that has come, as text. */
    text: () => requests.map(({ body }) => body).join("\n"),
    spans,
    resources: () =>
      taken("/v1/traces").flatMap(({ resourceSpans }) =>
        resourceSpans.map(({ resource }: any) => attributes(resource.attributes))
      ),
    logs: (): ReadonlyArray<any> =>
      taken("/v1/logs").flatMap(({ resourceLogs }) =>
        resourceLogs.flatMap(({ scopeLogs }: any) => scopeLogs.flatMap(({ logRecords }: any) => logRecords))
      ),
    /** The last value of each series of a counter or gauge, by its labels. */
    metric: (name: string): Readonly<Record<string, number>> =>
      Object.fromEntries(
        taken("/v1/metrics").flatMap(({ resourceMetrics }) =>
          resourceMetrics.flatMap(({ scopeMetrics }: any) =>
            scopeMetrics.flatMap(({ metrics }: any) =>
              metrics.flatMap((metric: any) =>
                metric.name !== name ? [] : (metric.sum ?? metric.gauge).dataPoints.map((point: any) => [
                  Object.values(attributes(point.attributes)).join(),
                  point.asDouble ?? Number(point.asInt)
                ])
              )
            )
          )
        )
      ),
    /** Waits until such a span has come. */
    until: (name: string) =>
      Effect.sync(() => spans().find((span) => span.name === name)).pipe(
        Effect.repeat({ until: (span) => span !== undefined, schedule: Schedule.spaced("20 millis") }),
        Effect.timeout("40 seconds"),
        Effect.map((span) => span!)
      )
  }
})
