/** What plugboard asks of an options schema: https://standardschema.dev, version 1. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

// oxlint-disable-next-line typescript/no-explicit-any -- a constraint that takes every schema; unknown would take none
export type AnySchema = StandardSchema<any, any>;
// oxlint-disable-next-line typescript/no-explicit-any
export type InputOf<S> = S extends StandardSchema<infer I, any> ? I : never;
// oxlint-disable-next-line typescript/no-explicit-any
export type OutputOf<S> = S extends StandardSchema<any, infer O> ? O : object;
