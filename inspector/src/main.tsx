import { render } from "preact"
import { App } from "./App.tsx"
import { start } from "./connection.ts"

start()
render(<App />, document.getElementById("page")!)
