import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import * as ApprovalQuestion from "effect-code-mode/bin/terminal/ApprovalQuestion"

describe("an approval at the terminal", () => {
  it.each<[line: string, decision: Approver.Decision | undefined]>([
    ["y", Approver.approved("once")],
    [" YES ", Approver.approved("once")],
    ["c", Approver.approved("cell")],
    ["Session", Approver.approved("session")],
    ["n", Approver.denied("the user declined it")],
    ["no, never", undefined],
    ["n it is  late", Approver.denied("it is  late")],
    ["{ \"path\": \"b\" }", Approver.approved("once", { path: "b" })],
    ["[1]", Approver.approved("once", [1])],
    ["{ path", undefined],
    ["y es", undefined],
    ["", undefined],
    ["maybe", undefined]
  ])("is decided by a line: %s", (line, decision) => {
    assert.deepStrictEqual(ApprovalQuestion.decision(line), decision)
  })
})
