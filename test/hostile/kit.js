/**
 * What the scripts of `escape`, `poison`, `seal` and `stack` find in their cell as `kit`: a walk over everything that can be
 * reached from a value (own keys, accessors, prototypes), looking for anything that is not of the cell's own realm.
 *
 * It takes the builtins it needs before the script can replace them.
 */
Object.defineProperty(globalThis, "kit", {
  value: ((text) => {
    const { apply, construct, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect
    const { isArray } = Array
    const { isError } = Error
    const ownObject = Object.prototype
    const [OwnObject, OwnProxy, OwnFunction, OwnSet, asText] = [Object, Proxy, Function, Set, String]
    const { add: setAdd, has: setHas } = Set.prototype

    const seen = new OwnSet()
    let findings = 0
    let first = ""
    let visits = 0

    const found = (what) => {
      if (findings++ === 0) {
        first = what
      }
    }

    const isObject = (value) => typeof value === "function" || (typeof value === "object" && value !== null)

    // A prototype that no object of this realm ends in, and that is not just an object without one.
    const isForeignRoot = (value) =>
      value !== ownObject && getOwnPropertyDescriptor(value, "isPrototypeOf") !== undefined
      && getOwnPropertyDescriptor(value, "hasOwnProperty") !== undefined

    // What V8 makes of these kinds has the prototypes of its realm.
    const isOfKind = (value) => typeof value === "function" || isArray(value) || isError(value)

    const check = (path, value) => {
      let last = value
      for (let proto = value; proto !== null; proto = getPrototypeOf(proto)) {
        last = proto
      }
      if (last === value ? isForeignRoot(last) : last !== ownObject && (isForeignRoot(last) || isOfKind(value))) {
        found(path + ": an object of another realm")
      }
      if (typeof value !== "function") {
        return
      }
      // A constructor tells its realm when it makes something without a prototype of its own.
      let made
      try {
        made = construct(OwnObject, [], new OwnProxy(value, { __proto__: null, get: () => undefined }))
      } catch {
        return
      }
      if (getPrototypeOf(made) !== ownObject) {
        found(path + ": a constructor of another realm")
      }
    }

    // A few steps suffice where nothing is foreign, and a list is walked without a stack of our own.
    const probe = (name, root) => {
      const todo = { __proto__: null, path: name, value: root, next: null }
      let tail = todo
      for (let item = todo; item !== null && visits < 50_000; item = item.next) {
        const { path, value } = item
        if (!isObject(value) || apply(setHas, seen, [value])) {
          continue
        }
        apply(setAdd, seen, [value])
        visits++
        const push = (step, next) => {
          if (isObject(next)) {
            tail.next = { __proto__: null, path: path + step, value: next, next: null }
            tail = tail.next
          }
        }
        try {
          check(path, value)
          push(".__proto__", getPrototypeOf(value))
          const keys = ownKeys(value)
          for (let i = 0; i < keys.length && i < 2_000; i++) {
            const key = keys[i]
            const property = getOwnPropertyDescriptor(value, key)
            const step = "." + asText(key)
            if ("value" in property) {
              push(step, property.value)
            } else {
              push(step + ".get", property.get)
              push(step + ".set", property.set)
              // V8 gives away functions and their arguments here, in sloppy code.
              if (typeof value === "function") {
                try {
                  push(step, value[key])
                } catch (error) {
                  push(step + " threw", error)
                }
              }
            }
          }
        } catch {
          // A proxy of the script's own, or the end of the stack.
        }
      }
    }

    // What a script throws on purpose may be anything; what a helper gives or throws is checked without a walk, too.
    const probeAll = (name, values) => {
      for (let i = 0; i < values.length; i++) {
        probe(name, values[i])
      }
    }

    // Calls with as many frames left on the stack as 1, 2, 3, …, and gives what was thrown and what was returned. Nothing
    // is looked at meanwhile: there is no stack for it.
    const atEachDepth = (depths, call) => {
      const given = []
      let calls = 0
      let count = 0
      const go = () => {
        try {
          go()
        } catch (error) {
          given[count++] = error
        }
        if (calls < depths) {
          try {
            given[count++] = call(calls++)
          } catch (error) {
            given[count++] = error
          }
        }
      }
      try {
        go()
      } catch (error) {
        given[count++] = error
      }
      return given
    }

    const verdict = () => {
      if (
        OwnFunction("return typeof process + typeof require + (this === globalThis)")() !== "undefinedundefinedtrue"
      ) {
        found("a host behind Function")
      }
      text(findings === 0 ? "contained" : "ESCAPED: " + first + " (and " + (findings - 1) + " more)")
    }

    return { __proto__: null, atEachDepth, found, probe, probeAll, verdict }
  })(text)
})
