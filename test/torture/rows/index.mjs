import { afterHead } from "./after-head.mjs";
import { beforeHead } from "./before-head.mjs";
import { exhaustion } from "./exhaustion.mjs";
import { framing } from "./framing.mjs";
import { headers } from "./headers.mjs";
import { processes } from "./processes.mjs";
import { stalls } from "./stalls.mjs";
import { streams } from "./streams.mjs";
import { target } from "./target.mjs";
import { upgrades } from "./upgrades.mjs";
import { uploads } from "./uploads.mjs";
import { values } from "./values.mjs";

const byId = new Intl.Collator("en", { numeric: true });

/** All rows, in the order of their ids. */
export const rows = [
  ...framing,
  ...uploads,
  ...target,
  ...headers,
  ...values,
  ...beforeHead,
  ...afterHead,
  ...stalls,
  ...streams,
  ...upgrades,
  ...exhaustion,
  ...processes,
].toSorted((a, b) => byId.compare(a.id, b.id));
