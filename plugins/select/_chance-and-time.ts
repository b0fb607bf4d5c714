import * as v from "valibot";

type Source = v.GenericSchema<() => number>;

/** Where a selector gets its chance from. */
export const randomSource: Source = v.custom<() => number>(
  (value) => typeof value === "function",
  "Expected a function that returns a number in [0, 1)",
);

/** Where it gets the time from. */
export const clockSource: Source = v.custom<() => number>(
  (value) => typeof value === "function",
  "Expected a function that returns milliseconds",
);
