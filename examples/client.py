# A client of code-mode-host in the standard library of Python: one session, one tool, one cell.
import json, struct, subprocess, sys

host = subprocess.Popen(sys.argv[1:] or ["code-mode-host"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def send(message):
    payload = json.dumps(message).encode()
    host.stdin.write(struct.pack("<I", len(payload)) + payload)
    host.stdin.flush()


def receive():
    (length,) = struct.unpack("<I", host.stdout.read(4))
    return json.loads(host.stdout.read(length))


def request(id, method, **fields):
    send({"type": "operation/request", "id": id, "request": {"method": method, "sessionId": "s", **fields}})


send({"type": "connection/hello", "supportedVersions": [1], "requiredCapabilities": [], "optionalCapabilities": []})
assert receive()["type"] == "connection/ready"

tool = {"name": "double", "tool_name": {"name": "double"}, "description": "Twice a number", "kind": "function"}
source = "text(await Promise.all([1, 2, 3].map((value) => tools.double({ value }))))"
request(1, "session/open")
request(2, "session/execute", request={"tool_call_id": "c", "enabled_tools": [tool], "source": source, "yield_time_ms": 10000})

while True:
    message = receive()
    if message["type"] == "delegate/request":
        # The cell calls a tool. Answers may come in any order; a program with slow tools answers from threads.
        value = message["request"]["invocation"]["input"]["value"]
        answer = {"status": "ok", "value": {"type": "tool/result", "result": 2 * value}}
        send({"type": "delegate/response", "id": message["id"], "result": answer})
    elif message["type"] == "execute/initialResponse":
        # The first event of the cell: it has ended, or it goes on and is waited for with `session/wait`.
        (kind, event), = message["result"]["value"].items()
        print(kind, [item["text"] for item in event["content_items"]])
        break

# The host ends with its input.
host.stdin.close()
sys.exit(host.wait())
