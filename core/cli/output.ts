import { colors } from "consola/utils";
import { type Failure, showFailure } from "./failure.ts";

/** How a running command tells what happens: lines for people, or one JSON object per line. */
export interface Output {
  readonly json: boolean;
  tell(event: string, text: string, fields?: object): void;
  /** Something went wrong and the command goes on, or is about to end. */
  warn(event: string, failure: Failure): void;
}

export function createOutput(json: boolean): Output {
  return json
    ? {
        json,
        tell: (event, _text, fields) => void process.stdout.write(toLine({ event, ...fields })),
        warn: (event, { message, fix, problems }) =>
          void process.stderr.write(toLine({ event, message, fix, problems })),
      }
    : {
        json,
        tell: (_event, text) => void process.stdout.write(`${text}\n`),
        warn: (_event, failure) => void process.stderr.write(`${showFailure(failure)}\n`),
      };
}

export function done(text: string): string {
  return `${colors.green("✔")} ${text}`;
}

export function note(text: string): string {
  return `${colors.cyan("•")} ${text}`;
}

function toLine(fields: object): string {
  return `${JSON.stringify({ time: new Date().toISOString(), ...fields })}\n`;
}
