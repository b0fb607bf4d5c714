import { defineSelector, type Plugin } from "plugboard";

/** A selector that picks the first and writes down what it hears, with its number when it is not the first of a route. */
export function listening(perRoute = 1): { readonly plugin: Plugin; readonly heard: string[] } {
  const heard: string[] = [];
  let made = 0;
  const define = defineSelector({
    name: "listening",
    create() {
      // Core has made those of its default route before.
      const number = perRoute === 1 ? "" : ` ${made++ % perRoute}`;
      return {
        pick: (targets) => targets[0],
        update: ({ all }) => void heard.push(`update ${all.length}${number}`),
        attemptStart: ({ id }) => void heard.push(`start ${id}${number}`),
        attemptEnd: ({ id }, { status }) => void heard.push(`end ${id} ${status}${number}`),
      };
    },
  });
  return { plugin: define(), heard };
}
