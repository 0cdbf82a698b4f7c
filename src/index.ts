/**
 * @since 0.1.0
 */
export * as Approver from "./Approver.ts"

/**
 * @since 0.1.0
 */
export * as Catalogue from "./Catalogue.ts"

/**
 * @since 0.1.0
 */
export * as Declarations from "./Declarations.ts"

/**
 * @since 0.1.0
 */
export * as Delegate from "./Delegate.ts"

/**
 * @since 0.1.0
 */
export * as Isolate from "./Isolate.ts"

/**
 * @since 0.1.0
 */
export * as Protocol from "./Protocol.ts"

/**
 * @since 0.1.0
 */
export * as Runtime from "./Runtime.ts"

/**
 * @since 0.1.0
 */
export * as Store from "./Store.ts"

/**
 * @since 0.1.0
 */
export * as V8 from "./V8.ts"
