// The cases of the wire tests, which are TypeScript.
import { createJiti } from "jiti";

const jiti = createJiti(import.meta.url, { fsCache: false });
const cases = await jiti.import("../../wire/framing-cases.ts");

export const { bothFramings, chunkedBodies, headerLines, lengths, smuggled } = cases;
export const codings = [...cases.codings, ...cases.otherCodings];
export const startLines = [...cases.requestLines, ...cases.otherVersions];
