/**
 * Protobuf messages whose descriptors are data: fields by name, each with its number and type.
 *
 * **Details**
 *
 * As proto3 has it: what is not known is skipped, of a field that is repeated the last value counts, and a member of a
 * oneof takes the place of another. A 64-bit integer is a number, and what a number cannot hold exactly is near it.
 *
 * @internal
 */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire"
import * as Result from "effect/Result"

// =============================================================================
// Descriptors
// =============================================================================

type Scalar = "string" | "bytes" | "uint32" | "uint64" | "enum" | "double"

/** A field whose value is an `A`. */
export interface Field<out A> {
  readonly number: number
  readonly type: Scalar | Message<unknown>
  /** Whether it is there also when it is not sent. */
  readonly presence: "implicit" | "explicit" | "repeated"
  /** Fields of the same name exclude each other. */
  readonly oneof?: string
  readonly "~value"?: A
}

type Fields = Readonly<Record<string, Field<unknown>>>

interface NamedField extends Field<unknown> {
  readonly name: string
}

export interface Message<out A> {
  readonly name: string
  readonly fields: ReadonlyArray<NamedField>
  readonly byNumber: ReadonlyMap<number, NamedField>
  readonly "~value"?: A
}

type ValueOf<F> = F extends Field<infer A> ? A : never

/** The value of a message, or of what is made with `message`. */
export type Type<M> = M extends Message<infer A> ? A : never

/** What is to be sent: what is left out is what the other side takes it for. */
export type Input<A> = A extends string | number | Uint8Array | undefined ? A
  : A extends ReadonlyArray<infer E> ? ReadonlyArray<Input<E>>
  : { readonly [K in keyof A]?: Input<A[K]> | undefined }

const scalar = <A>(type: Scalar) => (number: number): Field<A> => ({ number, type, presence: "implicit" })

export const string = scalar<string>("string")
export const bytes = scalar<Uint8Array>("bytes")
export const uint32 = scalar<number>("uint32")
export const uint64 = scalar<number>("uint64")
export const enumeration = scalar<number>("enum")
export const double = scalar<number>("double")

export const nested = <A>(number: number, type: Message<A>): Field<A | undefined> => ({
  number,
  type,
  presence: "explicit"
})

export const repeated = <A>(number: number, type: Message<A>): Field<ReadonlyArray<A>> => ({
  number,
  type,
  presence: "repeated"
})

export const optional = <A>(field: Field<A>): Field<A | undefined> => ({ ...field, presence: "explicit" })

export const oneof = <const F extends Fields>(
  name: string,
  fields: F
): { readonly [K in keyof F]: Field<ValueOf<F[K]> | undefined> } =>
  Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [key, { ...field, presence: "explicit", oneof: name }])
  ) as { readonly [K in keyof F]: Field<ValueOf<F[K]> | undefined> }

export const message = <const F extends Fields>(
  name: string,
  fields: F
): Message<{ readonly [K in keyof F]: ValueOf<F[K]> }> => {
  const named = Object.entries(fields).map(([name, field]) => ({ ...field, name }))
  return { name, fields: named, byNumber: new Map(named.map((field) => [field.number, field])) }
}

// =============================================================================
// Decoding
// =============================================================================

const wireTypes = ["Varint", "SixtyFourBit", "LengthDelimited", "StartGroup", "EndGroup", "ThirtyTwoBit"]
const wireTypeOf = { string: 2, bytes: 2, uint32: 0, uint64: 0, enum: 0, double: 1 } as const
const typeOf = (type: Field<unknown>["type"]) => typeof type === "string" ? wireTypeOf[type] : 2

/** The bytes are no such message: the reason, and the fields where it is, from the inside to the outside. */
class Malformed extends Error {
  readonly path: Array<string> = []
}

const underflow = "buffer underflow"

/** What the reader throws, in the words of the published host. */
const toMalformed = (error: unknown, isVarint: boolean): Malformed =>
  error instanceof Malformed
    ? error
    : new Malformed(
      error instanceof RangeError
        ? isVarint ? "invalid varint" : underflow
        : error instanceof TypeError
        ? "invalid string value: data is not UTF-8 encoded"
        : (error as Error).message
    )

const readTag = (reader: BinaryReader): number => {
  try {
    return reader.uint32()
  } catch (error) {
    throw toMalformed(error, true)
  }
}

const readValue = (reader: BinaryReader, type: Field<unknown>["type"], end: number): unknown => {
  switch (type) {
    case "string":
      return reader.string(true)
    case "bytes":
      return reader.bytes()
    case "uint32":
      return reader.uint32()
    case "uint64":
      return Number(reader.uint64())
    case "enum":
      return reader.int32()
    case "double":
      return reader.double()
    default: {
      const length = reader.uint32()
      if (reader.pos + length > end) {
        throw new Malformed(underflow)
      }
      return readMessage(reader, type, reader.pos + length)
    }
  }
}

const readField = (reader: BinaryReader, wireType: number, { type }: Field<unknown>, end: number): unknown => {
  const expected = typeOf(type)
  if (wireType !== expected) {
    throw new Malformed(`invalid wire type: ${wireTypes[wireType]} (expected ${wireTypes[expected]})`)
  }
  const value = readValue(reader, type, end)
  // There may be more, but it is not this message's.
  if (reader.pos > end) {
    throw new Malformed(underflow)
  }
  return value
}

const defaultOf = ({ presence, type }: Field<unknown>): unknown =>
  presence === "explicit"
    ? undefined
    : presence === "repeated"
    ? []
    : type === "string"
    ? ""
    : type === "bytes"
    ? new Uint8Array(0)
    : 0

// Most of this runs before it is optimized: an iterator for each message would be most of its garbage.
const readMessage = <A>(reader: BinaryReader, type: Message<A>, end: number): A => {
  const { byNumber, fields } = type
  const value: Record<string, unknown> = {}
  for (let index = 0; index < fields.length; index++) {
    const field = fields[index]!
    value[field.name] = defaultOf(field)
  }
  while (reader.pos < end) {
    const tag = readTag(reader)
    const wireType = tag & 7
    if (wireType > 5) {
      throw new Malformed(`invalid wire type value: ${wireType}`)
    }
    if (tag >>> 3 === 0) {
      throw new Malformed("invalid tag value: 0")
    }
    const field = byNumber.get(tag >>> 3)
    if (field === undefined) {
      reader.skip(wireType, tag >>> 3)
      continue
    }
    const { name } = field
    try {
      const read = readField(reader, wireType, field, end)
      if (field.presence === "repeated") {
        ;(value[name] as Array<unknown>).push(read)
        continue
      }
      if (field.oneof !== undefined) {
        for (let index = 0; index < fields.length; index++) {
          const other = fields[index]!
          if (other.oneof === field.oneof) value[other.name] = undefined
        }
      }
      value[name] = read
    } catch (error) {
      const malformed = toMalformed(error, wireType === 0)
      malformed.path.push(`${type.name}.${name}: `)
      throw malformed
    }
  }
  if (reader.pos > end) {
    throw new Malformed(underflow)
  }
  return value as A
}

/** Decodes a message, or says why it is none. What is `bytes` in it is a part of these. */
export const decode = <A>(type: Message<A>, bytes: Uint8Array): Result.Result<A, string> =>
  Result.try({
    try: () => readMessage(new BinaryReader(bytes), type, bytes.length),
    catch: (error) => {
      const { message, path } = toMalformed(error, false)
      return `failed to decode Protobuf message: ${path.join("")}${message}`
    }
  })

// =============================================================================
// Encoding
// =============================================================================

/** Text from this length on is encoded by itself: the writer would make room for three times as much. */
const longText = 64 * 1024

const maxUint32 = 2 ** 32 - 1

/** A buffer of a writer up to this size stays for what comes next. */
const keptBytes = 1024 * 1024

const writeValue = (writer: BinaryWriter, type: Field<unknown>["type"], value: any): void => {
  switch (type) {
    case "string":
      if (value.length < longText) writer.string(value)
      else writer.bytes(Buffer.from(value))
      return
    case "enum":
      writer.int32(value)
      return
    case "bytes":
      writer.bytes(value)
      return
    case "double":
      writer.double(value)
      return
    case "uint32":
    case "uint64":
      // The same bytes, without a bigint.
      if (value <= maxUint32) writer.uint32(value)
      else writer.uint64(value)
      return
    default:
      writer.fork()
      writeFields(writer, type, value)
      writer.join()
  }
}

const writeFields = (writer: BinaryWriter, { fields }: Message<unknown>, value: any): void => {
  for (let index = 0; index < fields.length; index++) {
    const { name, number, presence, type } = fields[index]!
    const one = value[name]
    if (one === undefined || (presence === "implicit" && (one === 0 || one.length === 0))) {
      continue
    }
    if (presence === "repeated") {
      for (const each of one) {
        writer.tag(number, typeOf(type))
        writeValue(writer, type, each)
      }
    } else {
      writer.tag(number, typeOf(type))
      writeValue(writer, type, one)
    }
  }
}

/** One that is not in use. A writer that fails is left as it is. */
let idle: BinaryWriter | undefined

/** Encodes a message after `room` bytes that are 0. */
export const encode = <A>(type: Message<A>, value: Input<A>, room = 0): Buffer => {
  const own = idle ?? new BinaryWriter()
  idle = undefined
  for (let count = 0; count < room; count++) {
    own.uint32(0)
  }
  writeFields(own, type, value)
  const bytes = own.finish()
  if (bytes.length <= keptBytes) {
    idle = own
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
