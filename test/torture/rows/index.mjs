import { afterHead } from "./after-head.mjs";
import { behind } from "./behind.mjs";
import { beforeHead } from "./before-head.mjs";
import { claims } from "./claims.mjs";
import { exhaustion } from "./exhaustion.mjs";
import { children } from "./children.mjs";
import { floods } from "./floods.mjs";
import { framing } from "./framing.mjs";
import { headers } from "./headers.mjs";
import { bodies } from "./bodies.mjs";
import { models } from "./json.mjs";
import { naming } from "./naming.mjs";
import { loadGoals } from "./load-goals.mjs";
import { names } from "./names.mjs";
import { processes } from "./processes.mjs";
import { queueing } from "./queues.mjs";
import { packageRows } from "./package.mjs";
import { rebindingRows } from "./rebinding.mjs";
import { registry } from "./registry.mjs";
import { repeats } from "./repeats.mjs";
import { rotation } from "./rotation.mjs";
import { secrets } from "./secrets.mjs";
import { semantics } from "./semantics.mjs";
import { shedding } from "./shedding.mjs";
import { slowTool } from "./slow-tool.mjs";
import { stalls } from "./stalls.mjs";
import { streams } from "./streams.mjs";
import { target } from "./target.mjs";
import { upgrades } from "./upgrades.mjs";
import { uploads } from "./uploads.mjs";
import { values } from "./values.mjs";
import { windows } from "./windows.mjs";

const byId = new Intl.Collator("en", { numeric: true });

/** All rows, in the order of their ids. */
export const rows = [
  ...framing,
  ...uploads,
  ...target,
  ...headers,
  ...values,
  ...claims,
  ...models,
  ...bodies,
  ...naming,
  ...secrets,
  ...beforeHead,
  ...names,
  ...rebindingRows,
  ...registry,
  ...packageRows,
  ...repeats,
  ...rotation,
  ...afterHead,
  ...semantics,
  ...stalls,
  ...streams,
  ...windows,
  ...upgrades,
  ...shedding,
  ...queueing,
  ...exhaustion,
  ...slowTool,
  ...processes,
  ...behind,
  ...children,
  ...floods,
  ...loadGoals,
].toSorted((a, b) => byId.compare(a.id, b.id));
