import { type ArgsDef, type CommandDef, defineCommand, type ParsedArgs, runCommand } from "citty";
import { checkArgs, type StrictArgs, type StrictOptions } from "./args.ts";
import { version } from "./version.ts";

export interface Command {
  readonly definition: CommandDef;
  run(raw: readonly string[]): Promise<void>;
}

interface CommandOptions<A extends ArgsDef> extends StrictOptions {
  readonly name: string;
  readonly description: string;
  readonly args: A;
  run(args: ParsedArgs<A>, strict: StrictArgs): Promise<void>;
}

/** A citty command that is strict about what it is given. */
export function command<A extends ArgsDef>(options: CommandOptions<A>): Command {
  const { name, description, args, run } = options;
  return {
    definition: { meta: { name: `plugboard ${name}`, version, description }, args },
    async run(raw) {
      const strict = checkArgs(raw, args, options);
      const definition = defineCommand({ args, run: (context) => run(context.args, strict) });
      await runCommand(definition, { rawArgs: [...(options.rest === true ? beforeRest(raw) : raw)] });
    },
  };
}

/** Without what stands behind `--`, which is nobody's flag. */
export function beforeRest(raw: readonly string[]): readonly string[] {
  const end = raw.indexOf("--");
  return end === -1 ? raw : raw.slice(0, end);
}
